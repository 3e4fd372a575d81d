// FP8 E4M3: `path`.weight with `path`.weight_scale_inv for each block of 128 x 128 (DeepSeek-V3, arXiv 2412.19437,
// section 3.3; the name says inverse, but it multiplies), or with `path`.weight_scale for each row or for all of them.
#include "core/coded_rows.h"
#include "core/error.h"
#include "core/stored_parts.h"

namespace specdec {
namespace {

constexpr std::int64_t kBlock = 128;
constexpr std::int64_t kLeastInputs = 8;

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  if (!file.has(path + ".weight") || file.find(path + ".weight")->dtype != DType::f8_e4m3) return std::nullopt;
  StoredParts parts(file, path, shape, "FP8");
  parts.expect_inputs_of(kLeastInputs);
  Weight weight = parts.weight(parts.get(".weight", {DType::f8_e4m3}, shape));
  weight.group = static_cast<int>(weight.in);
  parts.ignore({".input_scale", ".activation_scale"});
  const StoredTensor* scale = file.find(path + ".weight_scale");
  if (scale == nullptr) {
    if (shape.size() != 2) throw parts.error("blocks are of matrices only");
    const std::array blocks{(weight.out + kBlock - 1) / kBlock, (weight.in + kBlock - 1) / kBlock};
    const StoredTensor& scales = parts.get(".weight_scale_inv", {DType::f32, DType::bf16, DType::f8_e8m0}, blocks);
    weight.scales = parts.rows(scales);
    weight.scales.shared = kBlock;
    weight.scale_dtype = scales.dtype;
    weight.group = kBlock;
  } else if (scale->elements() == 1) {
    weight.scales = parts.shared(*scale);
    weight.scale_dtype = parts.get(".weight_scale", {DType::f32, DType::bf16}, scale->shape).dtype;
  } else {
    const bool flat = scale->shape.size() + 1 == shape.size();
    const std::vector<std::int64_t> column = parts.shape_ending(1);
    const std::span rows(column.data(), column.size() - (flat ? 1 : 0));
    weight.scale_dtype = parts.get(".weight_scale", {DType::f32, DType::bf16}, rows).dtype;
    weight.scales = {scale->data, static_cast<std::int64_t>(bytes_of(scale->dtype))};
  }
  return weight;
}

Panels panels(const Weight& weight) {
  return with_bytes(
      {.kind = PanelKind::e4m3, .scale_dtype = weight.scale_dtype, .group = weight.group, .in = weight.in});
}

}  // namespace

QuantFormat quant_fp8() {
  return coded_format<panels, read_stored>("fp8", "FP8 E4M3, a scale for each 128 x 128, for each row or for all",
                                           open);
}

}  // namespace specdec

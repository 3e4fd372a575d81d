// compressed-tensors "pack-quantized", symmetric: `path`.weight_packed in words of 32 bits, the first input in the
// lowest bits, each code being the whole number plus half of the codes; `path`.weight_scale for each group;
// `path`.weight_shape. https://github.com/vllm-project/compressed-tensors
#include <algorithm>
#include <cstring>

#include "core/coded_rows.h"
#include "core/error.h"
#include "core/stored_parts.h"

namespace specdec {
namespace {

constexpr std::int64_t kLeastGroup = 32;

void expect_shape(StoredParts& parts, std::span<const std::int64_t> shape) {
  const StoredTensor& stored = parts.get(".weight_shape", {DType::i64, DType::i32}, std::array<std::int64_t, 1>{2});
  std::array<std::int64_t, 2> sizes;
  for (std::size_t i = 0; i < 2; ++i) {
    if (stored.dtype == DType::i64) {
      std::memcpy(&sizes[i], stored.data + 8 * i, 8);
    } else {
      std::int32_t size;
      std::memcpy(&size, stored.data + 4 * i, 4);
      sizes[i] = size;
    }
  }
  if (!std::ranges::equal(sizes, shape)) throw parts.error(fmt::format("weight_shape is [{}]", fmt::join(sizes, ", ")));
}

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  // nvfp4-pack-quantized has packed weights, too, but no shape.
  if (!file.has(path + ".weight_packed") || !file.has(path + ".weight_shape")) return std::nullopt;
  StoredParts parts(file, path, shape, "compressed-tensors pack-quantized");
  parts.refuse(".weight_zero_point", "asymmetric quantisation");
  parts.refuse(".weight_g_idx", "an order of activations");
  if (shape.size() != 2) throw parts.error("the format knows matrices only");
  expect_shape(parts, shape);
  parts.expect_inputs_of(kLeastGroup);
  const std::int64_t out = shape.front(), in = shape.back();
  const auto columns = [&](const char* suffix) {
    const StoredTensor* tensor = file.find(path + suffix);
    return tensor != nullptr && tensor->shape.size() == 2 ? tensor->shape.back() : 0;
  };
  const int bits = columns(".weight_packed") == in / 4 ? 8 : 4;
  const StoredTensor& packed = parts.get(".weight_packed", {DType::i32}, std::array{out, in / 32 * bits});
  const std::int64_t groups = columns(".weight_scale");
  if (groups < 1 || in % groups != 0 || in / groups % kLeastGroup != 0) {
    throw parts.error(
        fmt::format("it has {} scales for {} inputs; groups are of a multiple of {}", groups, in, kLeastGroup));
  }
  const StoredTensor& scales =
      parts.get(".weight_scale", {DType::bf16, DType::f16, DType::f32}, std::array{out, groups});
  Weight weight = parts.weight(packed);
  weight.scales = parts.rows(scales);
  weight.scale_dtype = scales.dtype;
  weight.bits = bits;
  weight.group = static_cast<int>(in / groups);
  return weight;
}

Panels panels(const Weight& weight) {
  return with_bytes({.kind = weight.bits == 4 ? PanelKind::codes4 : PanelKind::codes8,
                     .scale_dtype = weight.scale_dtype,
                     .group = weight.group,
                     .centre = weight.bits == 4 ? 8.0f : 128.0f,
                     .in = weight.in});
}

}  // namespace

QuantFormat quant_int4_packed() {
  return coded_format<panels, read_stored>("int4_packed", "compressed-tensors pack-quantized: INT4 or INT8, symmetric",
                                           open);
}

}  // namespace specdec

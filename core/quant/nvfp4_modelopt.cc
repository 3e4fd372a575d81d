// NVFP4 as NVIDIA ModelOpt stores it: `path`.weight, two E2M1 in a byte; `path`.weight_scale, an E4M3 for each 16; and
// `path`.weight_scale_2, by which the scales are multiplied. https://github.com/NVIDIA/TensorRT-Model-Optimizer
#include "core/fp4.h"
#include "core/stored_parts.h"

namespace specdec {
namespace {

constexpr std::int64_t kGroup = 16;

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  if (!file.has(path + ".weight") || !file.has(path + ".weight_scale_2")) return std::nullopt;
  StoredParts parts(file, path, shape, "ModelOpt NVFP4");
  parts.expect_inputs_of(2 * kGroup);
  Weight weight = parts.weight(parts.get(".weight", {DType::u8}, parts.shape_ending(parts.in() / 2)));
  weight.scales = parts.rows(parts.get(".weight_scale", {DType::f8_e4m3}, parts.shape_ending(parts.in() / kGroup)));
  weight.super_scales = parts.shared(parts.get_scale(".weight_scale_2"));
  parts.ignore({".input_scale"});
  return weight;
}

Panels panels(const Weight& weight) { return scaled_fp4_panels(weight.in, DType::f8_e4m3, kGroup); }

}  // namespace

QuantFormat quant_nvfp4_modelopt() {
  return coded_format<panels, read_stored>("nvfp4_modelopt",
                                           "ModelOpt NVFP4: E2M1, an E4M3 scale for each 16, one for all", open);
}

}  // namespace specdec

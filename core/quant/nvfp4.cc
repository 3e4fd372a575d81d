#include "core/fp4.h"
#include "core/mlx_floats.h"

namespace specdec {
namespace {

constexpr MlxFloats kMode{"nvfp4", 4, 16};

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_mlx_floats(file, path, shape, kMode);
}

Panels panels(const Weight& weight) { return fp4_panels(weight.in, DType::f8_e4m3, kMode.group); }

}  // namespace

QuantFormat quant_nvfp4() {
  return coded_format<panels, read_stored>("nvfp4", "MLX nvfp4: E2M1, an E4M3 scale for each 16", open);
}

}  // namespace specdec

#include "core/fp4.h"
#include "core/mlx_floats.h"

namespace specdec {
namespace {

constexpr MlxFloats kMode{"mxfp4", 4, 32};

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_mlx_floats(file, path, shape, kMode);
}

Panels panels(const Weight& weight) { return fp4_panels(weight.in, DType::f8_e8m0, kMode.group); }

}  // namespace

QuantFormat quant_mxfp4() {
  return coded_format<panels, read_stored>("mxfp4", "MLX mxfp4: E2M1, a power of two for each 32", open);
}

}  // namespace specdec

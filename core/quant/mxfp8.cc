#include "core/coded_rows.h"
#include "core/mlx_floats.h"

namespace specdec {
namespace {

constexpr MlxFloats kMode{"mxfp8", 8, 32};

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_mlx_floats(file, path, shape, kMode);
}

Panels panels(const Weight& weight) {
  return with_bytes({.kind = PanelKind::e4m3, .scale_dtype = DType::f8_e8m0, .group = kMode.group, .in = weight.in});
}

}  // namespace

QuantFormat quant_mxfp8() {
  return coded_format<panels, read_stored>("mxfp8", "MLX mxfp8: E4M3, a power of two for each 32", open);
}

}  // namespace specdec

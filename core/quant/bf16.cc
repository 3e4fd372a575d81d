#include "core/quant.h"

namespace specdec {
namespace {

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_plain(file, path, shape, DType::bf16);
}

void unpack(const Weight& weight, std::int64_t row, float* out, const Kernels& kernels) {
  kernels.widen_bf16(reinterpret_cast<const std::uint16_t*>(weight.values.row(row)), weight.in, out);
}

Panels panels(const Weight& weight) { return plain_panels(weight, PanelKind::bf16); }

}  // namespace

QuantFormat quant_bf16() { return {"bf16", "bfloat16: the upper half of a float32", open, unpack, panels, pack_plain}; }

}  // namespace specdec

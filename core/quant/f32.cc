#include <cstring>

#include "core/quant.h"

namespace specdec {
namespace {

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_plain(file, path, shape, DType::f32);
}

void unpack(const Weight& weight, std::int64_t row, float* out, const Kernels&) {
  std::memcpy(out, weight.values.row(row), static_cast<std::size_t>(weight.values.row_bytes));
}

Panels panels(const Weight& weight) { return plain_panels(weight, PanelKind::f32); }

}  // namespace

QuantFormat quant_f32() { return {"f32", "IEEE single precision", open, unpack, panels, pack_plain}; }

}  // namespace specdec

#include <cstring>

#include "core/quant.h"

namespace specdec {
namespace {

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_plain(file, path, shape, DType::f32);
}

void unpack(const Weight& weight, std::int64_t row, float* out, const Kernels&) {
  std::memcpy(out, weight.data + row * weight.row_bytes, static_cast<std::size_t>(weight.row_bytes));
}

void multiply(const Weight& weight, std::int64_t first, std::int64_t last, const Activations& x, const int* rows,
              std::int64_t count, float* y, std::int64_t y_stride, const Kernels& kernels) {
  const auto* values = reinterpret_cast<const float*>(weight.data);
  for (std::int64_t o = first; o < last; ++o) {
    kernels.dot(values + o * weight.in, weight.in, x.x, x.stride, rows, count, y + (o - first), y_stride);
  }
}

}  // namespace

QuantFormat quant_f32() { return {"f32", "IEEE single precision", open, unpack, multiply}; }

}  // namespace specdec

#include "core/quant.h"

#include "core/weights.h"

namespace specdec {

Weight Weight::rows(std::int64_t first, std::int64_t count) const {
  Weight slice = *this;
  slice.out = count;
  if (data != nullptr) slice.data += first * row_bytes;
  if (scales != nullptr) slice.scales += first * scale_row_bytes;
  if (biases != nullptr) slice.biases += first * scale_row_bytes;
  return slice;
}

std::optional<Weight> open_plain(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape,
                                 DType dtype) {
  const std::string name = file.has(path + ".weight") || !file.has(path) ? path + ".weight" : path;
  const StoredTensor* stored = file.has(name) ? file.find(name) : nullptr;
  if (stored == nullptr || stored->dtype != dtype) return std::nullopt;
  const StoredTensor& tensor = file.get(name, shape);
  Weight weight;
  weight.in = shape.back();
  weight.out = tensor.elements() / weight.in;
  weight.data = tensor.data;
  weight.row_bytes = weight.in * static_cast<std::int64_t>(bytes_of(dtype));
  return weight;
}

void multiply_unpacked(const Weight& weight, std::int64_t first, std::int64_t last, const Activations& x,
                       const int* rows, std::int64_t count, float* y, std::int64_t y_stride, const Kernels& kernels) {
  thread_local std::vector<float> row;
  if (static_cast<std::int64_t>(row.size()) < weight.in) row.resize(static_cast<std::size_t>(weight.in));
  for (std::int64_t o = first; o < last; ++o) {
    weight.format->unpack(weight, o, row.data(), kernels);
    kernels.dot(row.data(), weight.in, x.x, x.stride, rows, count, y + (o - first), y_stride);
  }
}

}  // namespace specdec

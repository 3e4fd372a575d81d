// Weight formats. One format is one file, core/quant/<name>.cc.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels/kernels.h"

namespace specdec {

class WeightFile;
struct QuantFormat;

// A linear map y = x Wᵀ: `out` rows of `in` weights as the checkpoint stores them, and as panels if it is to be
// multiplied. A view: the WeightFile owns the bytes.
struct Weight {
  const QuantFormat* format = nullptr;
  std::string path;
  std::int64_t out = 0, in = 0;
  const std::byte* data = nullptr;  // (out, row_bytes); null while the checkpoint is only planned
  std::int64_t row_bytes = 0;
  const std::byte* scales = nullptr;  // (out, scale_row_bytes), where the format has them
  const std::byte* biases = nullptr;  // like scales
  std::int64_t scale_row_bytes = 0;
  DType scale_dtype = DType::bf16;
  int bits = 0;
  int group = 0;
  Panels panels;
  std::int64_t slab = 0;  // outputs that were packed together: panels begin anew at its multiples

  std::int64_t bytes() const {
    return out * (row_bytes + scale_row_bytes * ((scales != nullptr) + (biases != nullptr)));
  }
  // The rows [first, first + count). Of a packed map: some slabs, or some panels of one.
  Weight rows(std::int64_t first, std::int64_t count) const;
};

constexpr std::int64_t panels_of(std::int64_t out) { return (out + kPanel - 1) / kPanel; }

// Rows of activations, as float32 and, if the engine quantises, in the types of its integer and bf16 products.
struct Activations {
  const float* x = nullptr;  // (rows, stride)
  std::int64_t stride = 0;
  std::optional<Q8Rows> q8;
  const std::uint16_t* bf16 = nullptr;  // (rows, stride)

  Activations from(std::int64_t row) const;  // without the rows before it
};

struct QuantFormat {
  std::string_view name, summary;
  // The map stored under `path` with this (..., out, in) shape, leading dimensions folded into out; nothing if `path`
  // is not stored in this format. Throws Error if it is, but its tensors do not fit together.
  std::optional<Weight> (*open)(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape);
  // One row as float32.
  void (*unpack)(const Weight& weight, std::int64_t row, float* out, const Kernels& kernels);
  // What panels of it look like: all of Panels but data and out.
  Panels (*panels)(const Weight& weight);
  // Writes a panel of the rows [first, first + count), count <= kPanel, all of its bytes.
  void (*pack)(const Weight& weight, std::int64_t first, std::int64_t count, std::byte* panel);
};

std::span<const QuantFormat> quant_formats();

// Words of 4 bytes from count <= kPanel rows of `bytes` bytes, a multiple of 4, into 16 lanes, each through `change`.
template <typename Change>
void transpose_words(const std::byte* from, std::int64_t row_bytes, std::int64_t count, std::int64_t bytes,
                     std::byte* to, const Change& change) {
  for (std::int64_t at = 0; at < bytes; at += 4, to += kPanel * 4) {
    for (std::int64_t row = 0; row < count; ++row) {
      std::uint32_t word;
      std::memcpy(&word, from + row * row_bytes + at, 4);
      word = change(word);
      std::memcpy(to + row * 4, &word, 4);
    }
  }
}

// What the formats without scales share: `path`.weight, or `path` itself as fused experts are named, of one dtype.
std::optional<Weight> open_plain(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape,
                                 DType dtype);
Panels plain_panels(const Weight& weight, PanelKind kind);
void pack_plain(const Weight& weight, std::int64_t first, std::int64_t count, std::byte* panel);

// y[i * y_stride + o - first] = x_i . W_o for o in [first, last) and the selected rows of x, with the best type of
// activations that there is for packed weights. first is a multiple of kPanel, last too or weight.out.
void multiply_panels(const Weight& weight, std::int64_t first, std::int64_t last, const Activations& x, const int* rows,
                     std::int64_t count, float* y, std::int64_t y_stride, const Kernels& kernels);

}  // namespace specdec

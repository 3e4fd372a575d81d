// x86-64 with AVX-512 BF16 (Cooper Lake, Zen 4 and later): the product of bf16 panels and bf16 activations.
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

constexpr int kWidth = 16;
using Lanes = __mmask16;
Lanes first_lanes(int count) { return static_cast<Lanes>((1u << count) - 1); }

#include "core/kernels/tiles.inl"

constexpr int kTile = 8;

// Rows of x where they are, or copies with a zero behind them: a word of a panel holds two inputs.
template <int kRows>
struct Rows {
  const std::uint16_t* at[kRows];

  Rows(const std::uint16_t* x, std::int64_t n, std::int64_t stride, const int* rows, std::int64_t first,
       std::uint16_t* scratch) {
    for (int r = 0; r < kRows; ++r) at[r] = x + row_of(rows, first + r) * stride;
    if (n % 2 == 0) return;
    for (int r = 0; r < kRows; ++r, scratch += n + 1) {
      __builtin_memcpy(scratch, at[r], static_cast<std::size_t>(n) * sizeof(*scratch));
      scratch[n] = 0;
      at[r] = scratch;
    }
  }
};

// `outputs` are left from the first panel on. One chain an output: several panels together make as many chains as the
// unit needs, and share what is loaded of x.
template <int kRows, int kPanels>
void multiply_part(const Panels& w, const std::byte* panel, std::int64_t outputs, const Rows<kRows>& x, float* y,
                   std::int64_t y_stride) {
  const std::int64_t ahead = bytes_ahead(w);
  const Rows<kRows> row = x;  // registers
  __m512 sums[kRows][kPanels];
  for (auto& of_row : sums) {
    for (__m512& sum : of_row) sum = _mm512_setzero_ps();
  }
  for (std::int64_t k = 0; k < w.in; k += 2, panel += kPanel * 4) {
    __m512bh words[kPanels];
    for (int p = 0; p < kPanels; ++p) {
      fetch(panel + p * w.panel_bytes, ahead);
      words[p] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + p * w.panel_bytes));
    }
    for (int r = 0; r < kRows; ++r) {
      int two;
      __builtin_memcpy(&two, row.at[r] + k, 4);
      const auto pair = reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
      for (int p = 0; p < kPanels; ++p) sums[r][p] = _mm512_dpbf16_ps(sums[r][p], words[p], pair);
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    const std::int64_t left = outputs - p * kPanel;
    const Lanes lanes = first_lanes(left < kPanel ? static_cast<int>(left) : kPanel);
    for (int r = 0; r < kRows; ++r) _mm512_mask_storeu_ps(y + r * y_stride + p * kPanel, lanes, sums[r][p]);
  }
}

void multiply_bf16(const Panels& w, const std::uint16_t* x, std::int64_t x_stride, const int* rows, std::int64_t count,
                   float* y, std::int64_t y_stride, std::byte* scratch) {
  each_tile<kTile>(count, [&]<int kRows>(std::int64_t row) {
    const Rows<kRows> tile(x, w.in, x_stride, rows, row, reinterpret_cast<std::uint16_t*>(scratch));
    float* to = y + row * y_stride;
    const std::byte* panel = w.data;
    std::int64_t left = w.out;
    for (; left > kPanel; left -= 2 * kPanel, panel += 2 * w.panel_bytes, to += 2 * kPanel) {
      multiply_part<kRows, 2>(w, panel, left, tile, to, y_stride);
    }
    if (left > 0) multiply_part<kRows, 1>(w, panel, left, tile, to, y_stride);
  });
}

}  // namespace

extern const decltype(Kernels::multiply_bf16) kAvx512Bf16MultiplyBf16 = multiply_bf16;

}  // namespace specdec
#endif

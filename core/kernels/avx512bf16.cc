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
constexpr int kPiece = 16;

// x (pieces, kRows, kPiece). Two chains, so that one addition does not wait for another.
template <int kRows>
void multiply_part(const Panels& w, const std::byte* panel, const std::uint16_t* x, Lanes lanes, float* y,
                   std::int64_t y_stride) {
  const std::int64_t ahead = bytes_ahead(w);
  __m512 even[kRows], odd[kRows];
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = _mm512_setzero_ps();
  const auto add = [&](__m512& sum, const std::byte* words, const std::uint16_t* two) {
    int pair;
    __builtin_memcpy(&pair, two, 4);
    sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(_mm512_loadu_si512(words)),
                           reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)));
  };
  for (std::int64_t k = 0; k < w.in; k += kPiece, x += kRows * kPiece) {
    for (int i = 0; i < kPiece; i += 4, panel += 4 * kPanel * 2) {
      fetch(panel, ahead);
      fetch(panel + kPanel * 4, ahead);
      for (int r = 0; r < kRows; ++r) add(even[r], panel, x + r * kPiece + i);
      for (int r = 0; r < kRows; ++r) add(odd[r], panel + kPanel * 4, x + r * kPiece + i + 2);
    }
  }
  for (int r = 0; r < kRows; ++r) _mm512_mask_storeu_ps(y + r * y_stride, lanes, _mm512_add_ps(even[r], odd[r]));
}

void multiply_bf16(const Panels& w, const std::uint16_t* x, std::int64_t x_stride, const int* rows, std::int64_t count,
                   float* y, std::int64_t y_stride, std::byte* scratch) {
  each_tile<kTile>(count, [&]<int kRows>(std::int64_t row) {
    const std::uint16_t* tile =
        tile_of<kRows, kPiece>(x, w.in, x_stride, rows, row, reinterpret_cast<std::uint16_t*>(scratch));
    each_part(w, y + row * y_stride, [&](const std::byte* panel, int, Lanes lanes, float* out) {
      multiply_part<kRows>(w, panel, tile, lanes, out, y_stride);
    });
  });
}

}  // namespace

extern const decltype(Kernels::multiply_bf16) kAvx512Bf16MultiplyBf16 = multiply_bf16;

}  // namespace specdec
#endif

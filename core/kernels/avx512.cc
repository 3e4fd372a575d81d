// x86-64 with AVX-512 F, BW, VL, DQ and VNNI (Ice Lake, Zen 4 and later).
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

__mmask16 first_of_16(std::int64_t count) {
  if (count <= 0) return 0;
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
}

constexpr int kWidth = 16;
constexpr int kTile = 8, kFloatTile = 4;
using Floats = __m512;
using Ints = __m512i;

Floats zeros() { return _mm512_setzero_ps(); }
Floats splat(float x) { return _mm512_set1_ps(x); }
Floats load_floats(const std::byte* at) { return _mm512_loadu_ps(at); }
Ints load_words(const std::byte* at) { return _mm512_loadu_si512(at); }
Floats plus(Floats a, Floats b) { return _mm512_add_ps(a, b); }
Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
Floats as_floats(Ints x) { return _mm512_castsi512_ps(x); }
Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
template <unsigned kBits>
Ints shifted(Ints x) {
  return _mm512_srli_epi32(x, kBits);
}
Ints raised(Ints x) { return _mm512_slli_epi32(x, 16); }
Ints masked(Ints x, std::uint32_t mask) { return _mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(mask))); }
Floats widen_f16(Ints words, bool high) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(high ? _mm512_srli_epi32(words, 16) : words));
}
using Lanes = __mmask16;
Lanes first_lanes(int count) { return first_of_16(count); }
void store(float* y, Floats v, Lanes lanes) { _mm512_mask_storeu_ps(y, lanes, v); }

Floats parameters(const std::byte* at, DType dtype) {
  if (dtype == DType::f32) return _mm512_loadu_ps(at);
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  if (dtype == DType::f16) return _mm512_cvtph_ps(halves);
  return as_floats(raised(_mm512_cvtepu16_epi32(halves)));
}

struct Dot4 {
  Ints sum = _mm512_setzero_si512();
  void add(Ints codes, const std::int8_t* x) {
    int four;
    __builtin_memcpy(&four, x, 4);
    sum = _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
  }
  Floats total() const { return to_floats(sum); }
};
using Dot8 = Dot4;

#include "core/kernels/panels.inl"

// The four sums over the lanes of four vectors, each added up in the same order.
__m128 sums_of(const __m512* v) {
  __m256 eight[4];
  for (int j = 0; j < 4; ++j) {
    eight[j] = _mm256_add_ps(_mm512_castps512_ps256(v[j]), _mm512_extractf32x8_ps(v[j], 1));
  }
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(eight[0], eight[1]), _mm256_hadd_ps(eight[2], eight[3]));
  return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

// w . x_i for kRows rows of x; lanes of one row run in four independent chains.
template <int kRows>
void dot_rows(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows, std::int64_t row,
              float* y, std::int64_t y_stride) {
  __m512 totals[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int r = 0; r < kRows; ++r) {
    const float* x_row = x + row_of(rows, row + r) * x_stride;
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    std::int64_t k = 0;
    for (; k + 64 <= n; k += 64) {
      for (int j = 0; j < 4; ++j) {
        sums[j] = _mm512_fmadd_ps(_mm512_loadu_ps(w + k + 16 * j), _mm512_loadu_ps(x_row + k + 16 * j), sums[j]);
      }
    }
    for (; k < n; k += 16) {
      const __mmask16 mask = first_of_16(n - k);
      sums[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, w + k), _mm512_maskz_loadu_ps(mask, x_row + k), sums[0]);
    }
    totals[r] = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
  }
  alignas(16) float results[4];
  _mm_store_ps(results, sums_of(totals));
  for (int r = 0; r < kRows; ++r) y[(row + r) * y_stride] = results[r];
}

// For rows of at most kVectors * 16 elements, an attention head's: w stays in registers.
template <int kVectors>
void dot_short(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows,
               std::int64_t count, float* y, std::int64_t y_stride) {
  const __mmask16 last = first_of_16(n - 16 * (kVectors - 1));
  __m512 w_parts[kVectors];
  for (int j = 0; j < kVectors; ++j) w_parts[j] = _mm512_maskz_loadu_ps(j + 1 < kVectors ? 0xffff : last, w + 16 * j);
  for (std::int64_t row = 0; row < count; row += 4) {
    __m512 totals[4];
    for (int r = 0; r < 4; ++r) {
      const float* x_row = x + row_of(rows, row + r < count ? row + r : count - 1) * x_stride;
      totals[r] = _mm512_setzero_ps();
      for (int j = 0; j < kVectors; ++j) {
        const __m512 part = _mm512_maskz_loadu_ps(j + 1 < kVectors ? 0xffff : last, x_row + 16 * j);
        totals[r] = _mm512_fmadd_ps(w_parts[j], part, totals[r]);
      }
    }
    alignas(16) float results[4];
    _mm_store_ps(results, sums_of(totals));
    for (int r = 0; r < 4 && row + r < count; ++r) y[(row + r) * y_stride] = results[r];
  }
}

void dot(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
         float* y, std::int64_t y_stride) {
  if (n <= 16) return dot_short<1>(w, n, x, x_stride, rows, count, y, y_stride);
  if (n <= 32) return dot_short<2>(w, n, x, x_stride, rows, count, y, y_stride);
  if (n <= 48) return dot_short<3>(w, n, x, x_stride, rows, count, y, y_stride);
  if (n <= 64) return dot_short<4>(w, n, x, x_stride, rows, count, y, y_stride);
  std::int64_t row = 0;
  for (; row + 4 <= count; row += 4) dot_rows<4>(w, n, x, x_stride, rows, row, y, y_stride);
  for (; row < count; ++row) dot_rows<1>(w, n, x, x_stride, rows, row, y, y_stride);
}

// Columns [0, n) of at most kVectors * 16; four chains of rows, so that one addition does not wait for another.
template <int kVectors>
void weighted_columns(const float* p, const float* v, std::int64_t v_stride, const int* rows, std::int64_t count,
                      std::int64_t n, float* out) {
  constexpr int kChains = 4;
  __mmask16 masks[kVectors];
  __m512 sums[kChains][kVectors];
  for (int j = 0; j < kVectors; ++j) masks[j] = first_of_16(n - 16 * j);
  for (auto& chain : sums) {
    for (__m512& sum : chain) sum = _mm512_setzero_ps();
  }
  const auto add = [&](std::int64_t i, int chain) __attribute__((always_inline)) {
    const float* row = v + row_of(rows, i) * v_stride;
    for (int j = 0; j < kVectors; ++j) {
      const __m512 part = _mm512_maskz_loadu_ps(masks[j], row + 16 * j);
      sums[chain][j] = _mm512_fmadd_ps(_mm512_set1_ps(p[i]), part, sums[chain][j]);
    }
  };
  std::int64_t i = 0;
  for (; i + kChains <= count; i += kChains) {
    for (int chain = 0; chain < kChains; ++chain) add(i + chain, chain);
  }
  for (int chain = 0; i < count; ++i, ++chain) add(i, chain);
  for (int j = 0; j < kVectors; ++j) {
    const __m512 total = _mm512_add_ps(_mm512_add_ps(sums[0][j], sums[1][j]), _mm512_add_ps(sums[2][j], sums[3][j]));
    _mm512_mask_storeu_ps(out + 16 * j, masks[j], _mm512_add_ps(_mm512_maskz_loadu_ps(masks[j], out + 16 * j), total));
  }
}

void weighted_sum(const float* p, const float* v, std::int64_t v_stride, const int* rows, std::int64_t count,
                  std::int64_t n, float* out) {
  std::int64_t k = 0;
  for (; n - k > 32; k += 64) weighted_columns<4>(p, v + k, v_stride, rows, count, n - k, out + k);
  if (n - k > 16) weighted_columns<2>(p, v + k, v_stride, rows, count, n - k, out + k);
  if (n - k > 0 && n - k <= 16) weighted_columns<1>(p, v + k, v_stride, rows, count, n - k, out + k);
}

}  // namespace

extern const AttentionKernels kAvx512Attention;
extern const Kernels kAvx512Kernels{"avx512",     dot,       multiply_f32, multiply_q8,      nullptr,
                                    weighted_sum, quantise,  rms_norm,     softmax,          silu_times,
                                    widen_bf16,   widen_f16, narrow_bf16,  &kAvx512Attention};

}  // namespace specdec
#endif

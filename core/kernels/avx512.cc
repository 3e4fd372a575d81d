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

// Sixteen parameters from `first` on; those past `count` are zero.
__m512 parameters(const std::byte* values, DType dtype, std::int64_t first, std::int64_t count) {
  const __mmask16 mask = first_of_16(count - first);
  if (dtype == DType::f32) return _mm512_maskz_loadu_ps(mask, reinterpret_cast<const float*>(values) + first);
  const __m256i halves = _mm256_maskz_loadu_epi16(mask, reinterpret_cast<const std::uint16_t*>(values) + first);
  if (dtype == DType::f16) return _mm512_cvtph_ps(halves);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

int log2_of(std::int64_t group) { return __builtin_ctzll(static_cast<unsigned long long>(group)); }

__m512i lane_numbers() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

__m512i load_codes(const std::uint8_t* codes, std::int64_t bytes) {
  if (bytes >= 64) return _mm512_loadu_si512(codes);
  return _mm512_maskz_loadu_epi8((1ULL << bytes) - 1, codes);
}

struct Nibbles {
  static constexpr std::int64_t kSpan = 128;  // weights in one vector
  __m512i low, high;
  void load(const std::uint8_t* codes, std::int64_t in, std::int64_t k) {
    const __m512i bytes = load_codes(codes + k / 2, (in - k) / 2);
    low = _mm512_and_si512(bytes, _mm512_set1_epi8(15));
    high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15));
  }
  __m512i products(const Q8Rows& x, std::int64_t at) const {
    const __m512i even = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, _mm512_loadu_si512(x.split + at));
    return _mm512_dpbusd_epi32(even, high, _mm512_loadu_si512(x.split + at + 64));
  }
};

struct Bytes {
  static constexpr std::int64_t kSpan = 64;
  __m512i bytes;
  void load(const std::uint8_t* codes, std::int64_t in, std::int64_t k) { bytes = load_codes(codes + k, in - k); }
  __m512i products(const Q8Rows& x, std::int64_t at) const {
    return _mm512_dpbusd_epi32(_mm512_setzero_si512(), bytes, _mm512_loadu_si512(x.q + at));
  }
};

// Four rows of weights times kRows rows of x: a vector of codes is decoded once, the scales of x are spread out once. A
// lane holds the sum over kSpan / 16 neighbouring weights, which share one group. Past the last row of weights the last
// one stands in, and its results are not stored.
template <typename Codes, int kRows>
void dot_affine_tile(const AffineMatrix& w, std::int64_t o, const Q8Rows& x, const int* rows, std::int64_t row,
                     float* y, std::int64_t y_stride) {
  const std::int64_t groups = w.in / w.group;
  const std::int64_t x_groups = x.stride / kQ8Group;
  const __m128i shift = _mm_cvtsi32_si128(log2_of(w.group));
  const __m512i lane_offsets = _mm512_mullo_epi32(lane_numbers(), _mm512_set1_epi32(Codes::kSpan / 16));
  const __m512i x_lanes = _mm512_srli_epi32(lane_offsets, 5);  // log2 of kQ8Group
  std::int64_t at[kRows];
  for (int r = 0; r < kRows; ++r) at[r] = row_of(rows, row + r);
  std::int64_t output[4];
  for (int j = 0; j < 4; ++j) output[j] = o + j < w.out ? o + j : w.out - 1;
  __m512 totals[kRows][4];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < 4; ++j) totals[r][j] = _mm512_setzero_ps();
  }
  for (std::int64_t first = 0; first < groups; first += 16) {
    __m512 scales[4];
    for (int j = 0; j < 4; ++j) {
      scales[j] = parameters(w.scale + output[j] * w.scale_row_bytes, w.scale_dtype, first, groups);
    }
    const std::int64_t begin = first * w.group;
    const std::int64_t end = begin + 16 * w.group < w.in ? begin + 16 * w.group : w.in;
    for (std::int64_t k = begin; k < end; k += Codes::kSpan) {
      const __m512i lanes = _mm512_add_epi32(lane_offsets, _mm512_set1_epi32(static_cast<int>(k - begin)));
      const __m512i w_lanes = _mm512_srl_epi32(lanes, shift);
      __m512 x_scales[kRows];
      for (int r = 0; r < kRows; ++r) {
        const __m128 four = _mm_loadu_ps(x.scale + at[r] * x_groups + k / kQ8Group);
        x_scales[r] = _mm512_permutexvar_ps(x_lanes, _mm512_castps128_ps512(four));
      }
      for (int j = 0; j < 4; ++j) {
        Codes codes;
        codes.load(w.codes + output[j] * w.row_bytes, w.in, k);
        const __m512 w_scale = _mm512_permutexvar_ps(w_lanes, scales[j]);
        for (int r = 0; r < kRows; ++r) {
          const __m512 sums = _mm512_cvtepi32_ps(codes.products(x, at[r] * x.stride + k));
          totals[r][j] = _mm512_fmadd_ps(sums, _mm512_mul_ps(w_scale, x_scales[r]), totals[r][j]);
        }
      }
    }
  }
  const std::int64_t ratio = w.group / kQ8Group;
  const __m512i bias_lanes = _mm512_srl_epi32(lane_numbers(), _mm_cvtsi32_si128(log2_of(ratio)));
  for (std::int64_t g = 0; g < w.in / kQ8Group; g += 16) {
    const __mmask16 mask = first_of_16(w.in / kQ8Group - g);
    __m512 x_sums[kRows];
    for (int r = 0; r < kRows; ++r) x_sums[r] = _mm512_maskz_loadu_ps(mask, x.sum + at[r] * x_groups + g);
    for (int j = 0; j < 4; ++j) {
      const __m512 narrow = parameters(w.bias + output[j] * w.scale_row_bytes, w.scale_dtype, g / ratio, groups);
      const __m512 biases = _mm512_permutexvar_ps(bias_lanes, narrow);
      for (int r = 0; r < kRows; ++r) totals[r][j] = _mm512_fmadd_ps(biases, x_sums[r], totals[r][j]);
    }
  }
  const auto stored = static_cast<__mmask8>(first_of_16(w.out - o) & 15);
  for (int r = 0; r < kRows; ++r) _mm_mask_storeu_ps(y + (row + r) * y_stride + o, stored, sums_of(totals[r]));
}

template <typename Codes>
void dot_affine(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                std::int64_t y_stride) {
  for (std::int64_t o = 0; o < w.out; o += 4) {
    std::int64_t row = 0;
    for (; row + 4 <= count; row += 4) dot_affine_tile<Codes, 4>(w, o, x, rows, row, y, y_stride);
    if (count - row == 3) dot_affine_tile<Codes, 3>(w, o, x, rows, row, y, y_stride);
    if (count - row == 2) dot_affine_tile<Codes, 2>(w, o, x, rows, row, y, y_stride);
    if (count - row == 1) dot_affine_tile<Codes, 1>(w, o, x, rows, row, y, y_stride);
  }
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

extern const Kernels kAvx512Kernels{"avx512", dot,     dot_affine<Bytes>, dot_affine<Nibbles>, weighted_sum, quantise,
                                    rms_norm, softmax, silu_times,        widen_bf16,          widen_f16};

}  // namespace specdec
#endif

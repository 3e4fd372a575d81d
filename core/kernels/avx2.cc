// x86-64 with AVX2, FMA and F16C (Haswell, Zen and later).
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/avx2.inl"
#include "core/kernels/portable.inl"

// Sums in 16 bits: 8 additions of at most 2 * 15 * 127 fit.
struct Dot4 {
  Ints sum = _mm256_setzero_si256();
  void add(Ints codes, const std::int8_t* x) { sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, four_of(x))); }
  Floats total() const { return to_floats(_mm256_madd_epi16(sum, _mm256_set1_epi16(1))); }
};

// The lower and the higher half of each code apart, for the same reason.
struct Dot8 {
  Dot4 low, high;
  void add(Ints codes, const std::int8_t* x) {
    low.add(masked(codes, 0x0f0f0f0f), x);
    high.add(masked(shifted<4>(codes), 0x0f0f0f0f), x);
  }
  Floats total() const {
    return to_floats(_mm256_add_epi32(_mm256_madd_epi16(low.sum, _mm256_set1_epi16(1)),
                                      _mm256_madd_epi16(high.sum, _mm256_set1_epi16(16))));
  }
};

#include "core/kernels/panels.inl"

float sum_of(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

float dot_row(const float* w, const float* x, std::int64_t n) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::int64_t k = 0;
  for (; k + 32 <= n; k += 32) {
    for (int j = 0; j < 4; ++j) {
      sums[j] = _mm256_fmadd_ps(_mm256_loadu_ps(w + k + 8 * j), _mm256_loadu_ps(x + k + 8 * j), sums[j]);
    }
  }
  for (; k + 8 <= n; k += 8) sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(w + k), _mm256_loadu_ps(x + k), sums[0]);
  float total = sum_of(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  for (; k < n; ++k) total += w[k] * x[k];
  return total;
}

void dot(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
         float* y, std::int64_t y_stride) {
  for (std::int64_t i = 0; i < count; ++i) y[i * y_stride] = dot_row(w, x + row_of(rows, i) * x_stride, n);
}

void weighted_sum(const float* p, const float* v, std::int64_t v_stride, const int* rows, std::int64_t count,
                  std::int64_t n, float* out) {
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    __m256 sum = _mm256_loadu_ps(out + k);
    for (std::int64_t i = 0; i < count; ++i) {
      sum = _mm256_fmadd_ps(_mm256_set1_ps(p[i]), _mm256_loadu_ps(v + row_of(rows, i) * v_stride + k), sum);
    }
    _mm256_storeu_ps(out + k, sum);
  }
  for (; k < n; ++k) {
    for (std::int64_t i = 0; i < count; ++i) out[k] += p[i] * v[row_of(rows, i) * v_stride + k];
  }
}

}  // namespace

extern const AttentionKernels kAvx2Attention;
extern const Kernels kAvx2Kernels{"avx2",       dot,       multiply_f32, multiply_q8,    nullptr,
                                  weighted_sum, quantise,  rms_norm,     softmax,        silu_times,
                                  widen_bf16,   widen_f16, narrow_bf16,  &kAvx2Attention};

}  // namespace specdec
#endif

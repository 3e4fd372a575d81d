// Attention with AVX2, FMA and F16C.
#include "core/kernels/attention.h"
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

using Lanes = __m256;
constexpr int kWidth = 8;
constexpr int kVectors = 2;
constexpr int kMostQueries = 4;

inline Lanes broadcast(float x) { return _mm256_set1_ps(x); }
inline Lanes multiply(Lanes a, Lanes b) { return _mm256_mul_ps(a, b); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes sum) { return _mm256_fmadd_ps(a, b, sum); }
inline Lanes added(Lanes a, Lanes b) { return _mm256_add_ps(a, b); }
inline Lanes larger(Lanes a, Lanes b) { return _mm256_max_ps(a, b); }
inline float total(Lanes x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest(Lanes x) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline Lanes zipped_low(Lanes a, Lanes b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
inline Lanes zipped_high(Lanes a, Lanes b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}
inline void store(Lanes x, float* to) { _mm256_storeu_ps(to, x); }
inline Lanes load(const float* x) { return _mm256_loadu_ps(x); }
inline Lanes load(const std::int8_t* x) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
}
struct Half;
inline Lanes load(const Half* x) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))); }

#include "core/kernels/attention.inl"

}  // namespace

extern const AttentionKernels kAvx2Attention{store_position, attend_chunk, merge_states};

}  // namespace specdec

#endif

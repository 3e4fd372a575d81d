// Attention with AVX-512 F.
#include "core/kernels/attention.h"
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

using Lanes = __m512;
constexpr int kWidth = 16;
constexpr int kVectors = 4;
constexpr int kMostQueries = 8;

inline Lanes broadcast(float x) { return _mm512_set1_ps(x); }
inline Lanes multiply(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes sum) { return _mm512_fmadd_ps(a, b, sum); }
inline Lanes added(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
inline Lanes larger(Lanes a, Lanes b) { return _mm512_max_ps(a, b); }
inline float total(Lanes x) { return _mm512_reduce_add_ps(x); }
inline float largest(Lanes x) { return _mm512_reduce_max_ps(x); }
inline Lanes zipped_low(Lanes a, Lanes b) {
  const __m512i lanes = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return _mm512_permutex2var_ps(a, lanes, b);
}
inline Lanes zipped_high(Lanes a, Lanes b) {
  const __m512i lanes = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return _mm512_permutex2var_ps(a, lanes, b);
}
inline void store(Lanes x, float* to) { _mm512_storeu_ps(to, x); }
inline Lanes load(const float* x) { return _mm512_loadu_ps(x); }
inline Lanes load(const std::int8_t* x) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
}
struct Half;
inline Lanes load(const Half* x) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))); }

#include "core/kernels/attention.inl"

}  // namespace

extern const AttentionKernels kAvx512Attention{store_position, attend_chunk, merge_states};

}  // namespace specdec

#endif

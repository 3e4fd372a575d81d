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

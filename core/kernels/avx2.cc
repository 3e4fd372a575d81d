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
  Floats total(int less) const {
    return to_floats(_mm256_sub_epi32(_mm256_madd_epi16(sum, _mm256_set1_epi16(1)), _mm256_set1_epi32(less)));
  }
};

// The lower and the higher half of each code apart, for the same reason.
struct Dot8 {
  Dot4 low, high;
  void add(Ints codes, const std::int8_t* x) {
    low.add(masked(codes, 0x0f0f0f0f), x);
    high.add(masked(shifted<4>(codes), 0x0f0f0f0f), x);
  }
  Floats total(int less) const {
    const Ints sum = _mm256_add_epi32(_mm256_madd_epi16(low.sum, _mm256_set1_epi16(1)),
                                      _mm256_madd_epi16(high.sum, _mm256_set1_epi16(16)));
    return to_floats(_mm256_sub_epi32(sum, _mm256_set1_epi32(less)));
  }
};

#include "core/kernels/laws.inl"
#include "core/kernels/panels.inl"
#include "core/kernels/recurrence.inl"

}  // namespace

extern const AttentionKernels kAvx2Attention;
extern const Kernels kAvx2Kernels{"avx2",    multiply_f32, multiply_q8,     nullptr,    quantise,
                                  rms_norm,  softmax,      sigmoid,         silu_times, widen_bf16,
                                  widen_f16, narrow_bf16,  &kAvx2Attention, &kLaws,     &kRecurrence};

}  // namespace specdec
#endif

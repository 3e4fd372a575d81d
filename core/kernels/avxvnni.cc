// x86-64 with AVX2 and AVX-VNNI (Alder Lake and later): the integer products of the AVX2 level, in one instruction.
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/avx2.inl"

struct Dot4 {
  Ints sum = _mm256_setzero_si256();
  void add(Ints codes, const std::int8_t* x) { sum = _mm256_dpbusd_avx_epi32(sum, codes, four_of(x)); }
  Floats total(int less) const { return to_floats(_mm256_sub_epi32(sum, _mm256_set1_epi32(less))); }
};
using Dot8 = Dot4;

#include "core/kernels/panels.inl"

}  // namespace

extern const decltype(Kernels::multiply_q8) kAvxVnniMultiplyQ8 = multiply_q8;

}  // namespace specdec
#endif

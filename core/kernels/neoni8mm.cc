// ARMv8.6 with the int8 matrix extension (Neoverse V1 and N2, Apple M2 and later): the integer products of the NEON
// level, unsigned codes by signed inputs in one instruction.
#include "core/kernels/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace specdec {
namespace {

inline int32x4_t dot(int32x4_t sum, uint32x4_t codes, int8x16_t x) {
  return vusdotq_s32(sum, vreinterpretq_u8_u32(codes), x);
}

#include "core/kernels/neondot.inl"
using Dot8 = Dot4;

#include "core/kernels/panels.inl"

}  // namespace

extern const decltype(Kernels::multiply_q8) kNeonI8mmMultiplyQ8 = multiply_q8;

}  // namespace specdec
#endif

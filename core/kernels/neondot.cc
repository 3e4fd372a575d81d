// ARMv8.2 with the dot product extension (Cortex-A55 and A76, Neoverse N1, Apple M1 and later): the integer products of
// the NEON level, four codes of an output in one instruction.
#include "core/kernels/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace specdec {
namespace {

inline int32x4_t dot(int32x4_t sum, uint32x4_t codes, int8x16_t x) {
  return vdotq_s32(sum, vreinterpretq_s8_u32(codes), x);
}

#include "core/kernels/neondot.inl"

struct Dot8 {
  int32x4_t sums[kVectors]{};
  int32x4_t inputs{};
  void add(const Ints& codes, const std::int8_t* x) {
    const int8x16_t four = four_of(x);
    inputs = vdotq_s32(inputs, vdupq_n_s8(1), four);
    for (int i = 0; i < kVectors; ++i) sums[i] = vdotq_s32(sums[i], centred(codes.at[i]), four);
  }
  Floats total(std::int32_t less) const {
    return each<Floats>([&](int i) { return as_numbers(vaddq_s32(sums[i], vshlq_n_s32(inputs, 7)), less); });
  }
};

#include "core/kernels/panels.inl"

}  // namespace

extern const decltype(Kernels::multiply_q8) kNeonDotMultiplyQ8 = multiply_q8;

}  // namespace specdec
#endif

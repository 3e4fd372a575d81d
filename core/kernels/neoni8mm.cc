// ARMv8.6 with the int8 matrix extension (Neoverse V1 and N2, Apple M2 and later): the integer products of the NEON
// level, unsigned codes by signed inputs in one instruction.
#include "core/kernels/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace specdec {
namespace {

constexpr int kWidth = 16;
constexpr int kTile = 4, kFloatTile = 1;

#include "core/kernels/neon.inl"

struct Dot4 {
  int32x4_t sums[kVectors]{};
  void add(const Ints& codes, const std::int8_t* x) {
    const int8x16_t four = four_of(x);
    for (int i = 0; i < kVectors; ++i) sums[i] = vusdotq_s32(sums[i], vreinterpretq_u8_u32(codes.at[i]), four);
  }
  Floats total() const {
    return each<Floats>([&](int i) { return vcvtq_f32_s32(sums[i]); });
  }
};
using Dot8 = Dot4;

#include "core/kernels/panels.inl"

}  // namespace

extern const decltype(Kernels::multiply_q8) kNeonI8mmMultiplyQ8 = multiply_q8;

}  // namespace specdec
#endif

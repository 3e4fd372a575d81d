// ARMv8-A: what every arm64 machine has.
#include "core/kernels/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

constexpr int kWidth = 8;
constexpr int kTile = 4, kFloatTile = 2;

#include "core/kernels/neon.inl"

// Sums in 16 bits, of each of the four inputs of an output: 8 additions of at most 15 * 127 fit.
struct Dot4 {
  int16x8_t sums[kVectors][2]{};
  void add(const Ints& codes, const std::int8_t* x) {
    const int8x16_t four = four_of(x);
    for (int i = 0; i < kVectors; ++i) {
      const int8x16_t bytes = bytes_of(codes.at[i]);
      sums[i][0] = vmlal_s8(sums[i][0], vget_low_s8(bytes), vget_low_s8(four));
      sums[i][1] = vmlal_high_s8(sums[i][1], bytes, four);
    }
  }
  Floats total(std::int32_t less) const {
    return each<Floats>(
        [&](int i) { return as_numbers(vpaddq_s32(vpaddlq_s16(sums[i][0]), vpaddlq_s16(sums[i][1])), less); });
  }
};

// A product of 8 bits fills 16.
struct Dot8 {
  int32x4_t sums[kVectors][2]{};
  int16x8_t inputs{};
  void add(const Ints& codes, const std::int8_t* x) {
    const int8x16_t four = four_of(x);
    inputs = vaddw_s8(inputs, vget_low_s8(four));
    for (int i = 0; i < kVectors; ++i) {
      const int8x16_t bytes = centred(codes.at[i]);
      sums[i][0] = vpadalq_s16(sums[i][0], vmull_s8(vget_low_s8(bytes), vget_low_s8(four)));
      sums[i][1] = vpadalq_s16(sums[i][1], vmull_high_s8(bytes, four));
    }
  }
  Floats total(std::int32_t less) const {
    const int32x4_t pairs = vpaddlq_s16(inputs);
    const int32x4_t centre = vshlq_n_s32(vpaddq_s32(pairs, pairs), 7);
    return each<Floats>([&](int i) { return as_numbers(vaddq_s32(vpaddq_s32(sums[i][0], sums[i][1]), centre), less); });
  }
};

#include "core/kernels/laws.inl"
#include "core/kernels/panels.inl"
#include "core/kernels/recurrence.inl"

}  // namespace

extern const AttentionKernels kNeonAttention;
extern const Kernels kNeonKernels{"neon",    multiply_f32, multiply_q8,     nullptr,    quantise,
                                  rms_norm,  softmax,      sigmoid,         silu_times, widen_bf16,
                                  widen_f16, narrow_bf16,  &kNeonAttention, &kLaws,     &kRecurrence};

}  // namespace specdec
#endif

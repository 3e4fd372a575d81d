// Attention with NEON.
#include "core/kernels/attention.h"
#include "core/kernels/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

using Lanes = float32x4_t;
constexpr int kWidth = 4;
constexpr int kVectors = 4;
constexpr int kMostQueries = 4;

inline Lanes broadcast(float x) { return vdupq_n_f32(x); }
inline Lanes multiply(Lanes a, Lanes b) { return vmulq_f32(a, b); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes sum) { return vfmaq_f32(sum, a, b); }
inline Lanes added(Lanes a, Lanes b) { return vaddq_f32(a, b); }
inline Lanes larger(Lanes a, Lanes b) { return vmaxnmq_f32(a, b); }
inline float total(Lanes x) { return vaddvq_f32(x); }
inline float largest(Lanes x) { return vmaxnmvq_f32(x); }
inline Lanes zipped_low(Lanes a, Lanes b) { return vzip1q_f32(a, b); }
inline Lanes zipped_high(Lanes a, Lanes b) { return vzip2q_f32(a, b); }
inline void store(Lanes x, float* to) { vst1q_f32(to, x); }
inline Lanes load(const float* x) { return vld1q_f32(x); }
inline Lanes load(const std::int8_t* x) {
  std::uint32_t four;
  __builtin_memcpy(&four, x, 4);
  const int16x8_t wide = vmovl_s8(vcreate_s8(four));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
struct Half;
inline Lanes load(const Half* x) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(x))));
}

#include "core/kernels/attention.inl"

}  // namespace

extern const AttentionKernels kNeonAttention{store_position, attend_chunk, merge_states};

}  // namespace specdec

#endif

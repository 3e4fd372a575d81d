// x86-64 with AVX-512 F, BW, VL, DQ and VNNI (Ice Lake, Zen 4 and later).
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

constexpr int kWidth = 16;
constexpr int kTile = 8, kFloatTile = 4;
using Floats = __m512;
using Ints = __m512i;

Floats zeros() { return _mm512_setzero_ps(); }
Floats splat(float x) { return _mm512_set1_ps(x); }
Floats load_floats(const std::byte* at) { return _mm512_loadu_ps(at); }
Ints load_words(const std::byte* at) { return _mm512_loadu_si512(at); }
Floats plus(Floats a, Floats b) { return _mm512_add_ps(a, b); }
Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
Floats as_floats(Ints x) { return _mm512_castsi512_ps(x); }
Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
template <unsigned kBits>
Ints shifted(Ints x) {
  return _mm512_srli_epi32(x, kBits);
}
template <unsigned kBits>
Ints raised(Ints x) {
  return _mm512_slli_epi32(x, kBits);
}
template <unsigned kBits>
Ints shifted_signed(Ints x) {
  return _mm512_srai_epi32(x, kBits);
}
Ints either(Ints a, Ints b) { return _mm512_or_si512(a, b); }
Ints masked(Ints x, std::uint32_t mask) { return _mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(mask))); }
Floats widen_f16(Ints words, bool high) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(high ? _mm512_srli_epi32(words, 16) : words));
}
using Lanes = __mmask16;
Lanes first_lanes(int count) { return static_cast<Lanes>((1u << count) - 1); }
void store(float* y, Floats v, Lanes lanes) { _mm512_mask_storeu_ps(y, lanes, v); }

Floats parameters(const std::byte* at, DType dtype) {
  if (dtype == DType::f32) return _mm512_loadu_ps(at);
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  if (dtype == DType::f16) return _mm512_cvtph_ps(halves);
  return as_floats(raised<16>(_mm512_cvtepu16_epi32(halves)));
}

Ints byte_words(const std::byte* at) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
using Table = __m512i;
Table table_of(const std::uint8_t* bytes) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}
Ints looked_up(Table table, Ints codes) { return _mm512_shuffle_epi8(table, codes); }

struct Dot4 {
  Ints sum = _mm512_setzero_si512();
  void add(Ints codes, const std::int8_t* x) {
    int four;
    __builtin_memcpy(&four, x, 4);
    sum = _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
  }
  Floats total(int less) const { return to_floats(_mm512_sub_epi32(sum, _mm512_set1_epi32(less))); }
};
using Dot8 = Dot4;

#include "core/kernels/laws.inl"
#include "core/kernels/panels.inl"
#include "core/kernels/recurrence.inl"

}  // namespace

extern const AttentionKernels kAvx512Attention;
extern const Kernels kAvx512Kernels{"avx512",  multiply_f32, multiply_q8,       nullptr,    quantise,
                                    rms_norm,  softmax,      sigmoid,           silu_times, widen_bf16,
                                    widen_f16, narrow_bf16,  &kAvx512Attention, &kLaws,     &kRecurrence};

}  // namespace specdec
#endif

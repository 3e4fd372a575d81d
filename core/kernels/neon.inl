// Vectors of 128 bits, several side by side, as panels.inl asks for them. A level defines kWidth before it includes
// this.
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

constexpr int kVectors = kWidth / 4;

struct Floats {
  float32x4_t at[kVectors];
};
struct Ints {
  uint32x4_t at[kVectors];
};

template <typename Out, typename Of>
inline Out each(const Of& of) {
  Out out;
  for (int i = 0; i < kVectors; ++i) out.at[i] = of(i);
  return out;
}

inline Floats splat(float x) {
  return each<Floats>([x](int) { return vdupq_n_f32(x); });
}
inline Floats zeros() { return splat(0); }
inline Floats load_floats(const std::byte* from) {
  return each<Floats>([from](int i) { return vld1q_f32(reinterpret_cast<const float*>(from) + 4 * i); });
}
inline Ints load_words(const std::byte* from) {
  return each<Ints>([from](int i) { return vld1q_u32(reinterpret_cast<const std::uint32_t*>(from) + 4 * i); });
}
inline Floats plus(const Floats& a, const Floats& b) {
  return each<Floats>([&](int i) { return vaddq_f32(a.at[i], b.at[i]); });
}
inline Floats multiply_add(const Floats& a, const Floats& b, const Floats& c) {
  return each<Floats>([&](int i) { return vfmaq_f32(c.at[i], a.at[i], b.at[i]); });
}
inline Floats as_floats(const Ints& x) {
  return each<Floats>([&](int i) { return vreinterpretq_f32_u32(x.at[i]); });
}
inline Floats to_floats(const Ints& x) {
  return each<Floats>([&](int i) { return vcvtq_f32_s32(vreinterpretq_s32_u32(x.at[i])); });
}
template <int kBits>
inline Ints shifted(const Ints& x) {
  if constexpr (kBits == 0) return x;
  return each<Ints>([&](int i) { return vshrq_n_u32(x.at[i], kBits == 0 ? 1 : kBits); });
}
template <int kBits>
inline Ints raised(const Ints& x) {
  return each<Ints>([&](int i) { return vshlq_n_u32(x.at[i], kBits); });
}
template <int kBits>
inline Ints shifted_signed(const Ints& x) {
  return each<Ints>([&](int i) { return vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32(x.at[i]), kBits)); });
}
inline Ints either(const Ints& a, const Ints& b) {
  return each<Ints>([&](int i) { return vorrq_u32(a.at[i], b.at[i]); });
}
inline Ints masked(const Ints& x, std::uint32_t mask) {
  return each<Ints>([&](int i) { return vandq_u32(x.at[i], vdupq_n_u32(mask)); });
}
inline float32x4_t widened_f16(uint16x4_t halves) { return vcvt_f32_f16(vreinterpret_f16_u16(halves)); }
inline Floats widen_f16(const Ints& words, bool high) {
  return each<Floats>([&](int i) { return widened_f16(high ? vshrn_n_u32(words.at[i], 16) : vmovn_u32(words.at[i])); });
}

using Lanes = int;
inline Lanes first_lanes(int count) { return count; }
inline void store(float* y, const Floats& v, Lanes lanes) {
  if (lanes == kWidth) {
    for (int i = 0; i < kVectors; ++i) vst1q_f32(y + 4 * i, v.at[i]);
  } else {
    float all[kWidth];
    store(all, v, kWidth);
    for (int i = 0; i < lanes; ++i) y[i] = all[i];
  }
}

inline Floats parameters(const std::byte* from, DType dtype) {
  if (dtype == DType::f32) return load_floats(from);
  return each<Floats>([&](int i) {
    const uint16x4_t halves = vld1_u16(reinterpret_cast<const std::uint16_t*>(from) + 4 * i);
    return dtype == DType::f16 ? widened_f16(halves) : vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
  });
}

inline Ints byte_words(const std::byte* from) {
  return each<Ints>([&](int i) {
    std::uint32_t four;
    __builtin_memcpy(&four, from + 4 * i, 4);
    return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
  });
}
using Table = uint8x16_t;
inline Table table_of(const std::uint8_t* bytes) { return vld1q_u8(bytes); }
inline Ints looked_up(Table table, const Ints& codes) {
  return each<Ints>([&](int i) { return vreinterpretq_u32_u8(vqtbl1q_u8(table, vreinterpretq_u8_u32(codes.at[i]))); });
}

inline int8x16_t bytes_of(uint32x4_t codes) { return vreinterpretq_s8_u32(codes); }
inline int8x16_t four_of(const std::int8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
inline float32x4_t as_numbers(int32x4_t sum, std::int32_t less) {
  return vcvtq_f32_s32(vsubq_s32(sum, vdupq_n_s32(less)));
}
// Codes of 8 bits as signed numbers, 128 less than they are.
inline int8x16_t centred(uint32x4_t codes) { return bytes_of(veorq_u32(codes, vdupq_n_u32(0x80808080))); }

// NOLINTEND

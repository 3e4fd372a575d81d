// The level that every machine has: plain C++.
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

// Vectors of four, which every machine has and compilers know.
constexpr int kWidth = 4;
constexpr int kTile = 4, kFloatTile = 2;
using Floats = float __attribute__((vector_size(16)));
using Ints = std::int32_t __attribute__((vector_size(16)));

template <typename Vector>
Vector load(const std::byte* at) {
  Vector v;
  __builtin_memcpy(&v, at, sizeof(v));
  return v;
}

Floats zeros() { return Floats{}; }
Floats splat(float x) { return Floats{x, x, x, x}; }
Floats load_floats(const std::byte* at) { return load<Floats>(at); }
Ints load_words(const std::byte* at) { return load<Ints>(at); }
Floats plus(Floats a, Floats b) { return a + b; }
Floats multiply_add(Floats a, Floats b, Floats c) { return a * b + c; }
Floats as_floats(Ints x) { return __builtin_bit_cast(Floats, x); }
Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
Ints either(Ints a, Ints b) { return a | b; }
Ints masked(Ints x, std::uint32_t mask) { return x & static_cast<std::int32_t>(mask); }
template <int kBits>
Ints shifted(Ints x) {
  return masked(x >> kBits, 0xffffffffu >> kBits);
}
template <int kBits>
Ints raised(Ints x) {
  return x << kBits;
}
template <int kBits>
Ints shifted_signed(Ints x) {
  return x >> kBits;
}

Floats widen_f16(Ints words, bool high) {
  Floats out;
  for (int i = 0; i < kWidth; ++i) {
    out[i] = f16_value(static_cast<std::uint16_t>(static_cast<std::uint32_t>(words[i]) >> (high ? 16 : 0)));
  }
  return out;
}

using Lanes = int;
Lanes first_lanes(int count) { return count; }
void store(float* y, Floats v, Lanes lanes) {
  if (lanes == kWidth) {
    __builtin_memcpy(y, &v, sizeof(v));
  } else {
    for (int i = 0; i < lanes; ++i) y[i] = v[i];
  }
}

Floats parameters(const std::byte* at, DType dtype) {
  if (dtype == DType::f32) return load_floats(at);
  Floats out;
  for (int i = 0; i < kWidth; ++i) {
    std::uint16_t half;
    __builtin_memcpy(&half, at + 2 * i, 2);
    out[i] = dtype == DType::bf16 ? bf16_value(half) : f16_value(half);
  }
  return out;
}

Ints byte_words(const std::byte* at) {
  Ints out;
  for (int i = 0; i < kWidth; ++i) out[i] = static_cast<int>(at[i]);
  return out;
}
using Table = const std::uint8_t*;
Table table_of(const std::uint8_t* bytes) { return bytes; }
Ints looked_up(Table table, Ints codes) {
  std::uint8_t bytes[sizeof(Ints)];
  __builtin_memcpy(bytes, &codes, sizeof(bytes));
  for (std::uint8_t& byte : bytes) byte = table[byte];
  return load<Ints>(reinterpret_cast<const std::byte*>(bytes));
}

// Sums of a few integers of 16 bits are exact in float32.
struct Dot8 {
  Floats sum{};
  void add(Ints codes, const std::int8_t* x) {
    sum += to_floats(masked(codes, 255)) * x[0];
    sum += to_floats(masked(shifted<8>(codes), 255)) * x[1];
    sum += to_floats(masked(shifted<16>(codes), 255)) * x[2];
    sum += to_floats(shifted<24>(codes)) * x[3];
  }
  Floats total(int less) const { return sum - static_cast<float>(less); }
};
using Dot4 = Dot8;

#include "core/kernels/laws.inl"
#include "core/kernels/panels.inl"
#include "core/kernels/recurrence.inl"

}  // namespace

extern const AttentionKernels kGenericAttention;
extern const Kernels kGenericKernels{
    "generic",  multiply_f32, multiply_q8, nullptr,     quantise,           rms_norm, softmax,     sigmoid,
    silu_times, widen_bf16,   widen_f16,   narrow_bf16, &kGenericAttention, &kLaws,   &kRecurrence};

}  // namespace specdec

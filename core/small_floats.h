// Floating-point numbers of 16, 8 and 4 bits.
// https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace specdec {

inline float bf16_as_float(std::uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
}

// A number of `exponent_bits` and `mantissa_bits` behind a sign bit, all ones in the exponent being ordinary.
constexpr float small_float(unsigned bits, int exponent_bits, int mantissa_bits) {
  const auto exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const auto mantissa = static_cast<int>(bits) & ((1 << mantissa_bits) - 1);
  const bool negative = (bits >> (exponent_bits + mantissa_bits) & 1) != 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  double value = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
  for (int shift = (exponent == 0 ? 1 : exponent) - bias - mantissa_bits; shift != 0; shift += shift < 0 ? 1 : -1) {
    value = shift < 0 ? value / 2 : value * 2;
  }
  return static_cast<float>(negative ? -value : value);
}

inline float f16_as_float(std::uint16_t bits) {
  if ((bits & 0x7c00) == 0x7c00) {
    const float special =
        (bits & 0x3ff) != 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    return (bits & 0x8000) != 0 ? -special : special;
  }
  return small_float(bits, 5, 10);
}

// E4M3 without infinities: 0x7f and 0xff are no numbers.
inline float e4m3_as_float(std::uint8_t bits) {
  static constexpr auto kValues = [] {
    std::array<float, 256> values{};
    for (unsigned i = 0; i < 256; ++i) values[i] = small_float(i, 4, 3);
    values[0x7f] = values[0xff] = std::numeric_limits<float>::quiet_NaN();
    return values;
  }();
  return kValues[bits];
}

// 2^(bits - 127); 255 is no number.
inline float e8m0_as_float(std::uint8_t bits) {
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, bits - 127);
}

}  // namespace specdec

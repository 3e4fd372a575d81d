// Floating-point numbers of 4 and 8 bits, and the scales that their groups share: what the files of core/encode have in
// common. As mlx.core.quantize rounds on a CPU.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "core/rounding.h"

namespace specdec {

inline constexpr float kMostE2m1 = 6, kMostE4m3 = 448;

inline float largest_magnitude(const float* values, int count) {
  float largest = 0;
  for (int i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
  return largest;
}

// The nearest of 0, 0.5, 1, 1.5, 2, 3, 4 and 6, ties to the smaller; bit 3 is the sign, of zero always plus.
inline std::uint8_t to_e2m1(float value) {
  const float magnitude = std::fabs(value);
  int code = 0;
  for (const float middle : {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f}) code += magnitude > middle;
  const int sign = (value < 0) & (code > 0);
  return static_cast<std::uint8_t>(code | sign << 3);
}

// Two codes a byte, the first in the lower half.
inline void encode_e2m1(const float* values, int count, float factor, std::byte* out) {
  constexpr int kMostCount = 32;
  std::array<std::uint8_t, kMostCount> codes;
  for (int i = 0; i < count; ++i) codes[static_cast<std::size_t>(i)] = to_e2m1(values[i] * factor);
  for (int i = 0; i < count; i += 2) {
    const auto at = static_cast<std::size_t>(i);
    out[i / 2] = static_cast<std::byte>(codes[at] | codes[at + 1] << 4);
  }
}

// To the nearest, ties to even; beyond 448, 448.
inline std::uint8_t to_e4m3(float value) {
  constexpr int kDropped = 20;                               // of the 23 bits of a float32's mantissa
  constexpr std::uint32_t kRebias = 120u << 23;              // exponent 127 becomes 7
  constexpr float kLeastNormal = 0x1p-6f, kCount = 0x1p14f;  // float32 counts from 2^14 in 2^-9, as E4M3 from 0
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint8_t>(bits >> 24 & 0x80);
  const float magnitude = std::min(std::fabs(value), kMostE4m3);
  if (magnitude < kLeastNormal)
    return static_cast<std::uint8_t>(sign | (std::bit_cast<std::uint32_t>(magnitude + kCount) & 0xff));
  const auto whole = std::bit_cast<std::uint32_t>(magnitude) - kRebias;
  const std::uint32_t half = (1u << (kDropped - 1)) - 1 + (whole >> kDropped & 1);
  return static_cast<std::uint8_t>(sign | (whole + half) >> kDropped);
}

// The exponent of the least power of two that is not below `value`; 0 for 0. mlx lets exponents below -127 overflow:
// those are -127 here.
inline int e8m0_exponent(float value) {
  if (value == 0) return 0;
  int exponent;
  const float mantissa = std::frexp(value, &exponent);  // in [0.5, 1)
  return std::max(-127, mantissa == 0.5f ? exponent - 1 : exponent);
}
inline std::byte e8m0(int exponent) { return static_cast<std::byte>(exponent + 127); }

}  // namespace specdec

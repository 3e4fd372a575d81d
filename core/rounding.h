// Float32 to shorter types, to the nearest, ties to even.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/dtype.h"

namespace specdec {

// The value of that type, f32, f16 or bf16, nearest to a finite one; infinite where float16 cannot hold it.
inline float round_to(DType type, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto cut = [&](int dropped) {
    const std::uint32_t half = (std::uint32_t{1} << (dropped - 1)) - 1;
    return std::bit_cast<float>((bits + half + (bits >> dropped & 1)) >> dropped << dropped);
  };
  if (type == DType::bf16) return cut(16);
  if (type != DType::f16) return value;
  constexpr float kLeastNormal = 0x1p-14f, kBound = 65520;
  if (std::fabs(value) >= kBound) return std::copysign(INFINITY, value);
  // Below the least normal number float16 counts in 2^-24, as float32 does between 0.5 and 1.
  if (std::fabs(value) < kLeastNormal) return std::copysign(std::fabs(value) + 0.5f - 0.5f, value);
  return cut(13);
}

// The bits of a value that float16 or bfloat16 can hold.
inline std::uint16_t bits_of_bf16(float value) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
}
inline std::uint16_t bits_of_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  if (std::isinf(value)) return static_cast<std::uint16_t>(sign | 0x7c00);
  // The product has the exponent that float16 stores, and is below the least normal float32 where float16 is.
  const auto magnitude = std::bit_cast<std::uint32_t>(std::fabs(value) * 0x1p-112f);
  return static_cast<std::uint16_t>(sign | magnitude >> 13);
}

}  // namespace specdec

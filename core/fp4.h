// What the formats of 4-bit floats (OCP FP4 E2M1) share: their codes stand for twice the value, plus 12, so that
// products are of whole numbers.
#pragma once

#include <array>

#include "core/coded_rows.h"

namespace specdec {

inline constexpr std::array<std::uint8_t, 16> kTwiceE2m1Plus12{12, 13, 14, 15, 16, 18, 20, 24,
                                                               12, 11, 10, 9,  8,  6,  4,  0};

// Panels of `in` such codes with scales of one byte for each group.
inline Panels fp4_panels(std::int64_t in, DType scale_dtype, std::int64_t group) {
  return with_bytes({.kind = PanelKind::codes4,
                     .scale_dtype = scale_dtype,
                     .group = group,
                     .centre = 12,
                     .factor = 0.5f,
                     .table = kTwiceE2m1Plus12.data(),
                     .in = in});
}
// With one more scale for the whole map, which multiplies the others.
inline Panels scaled_fp4_panels(std::int64_t in, DType scale_dtype, std::int64_t group) {
  Panels panels = fp4_panels(in, scale_dtype, group);
  panels.super_group = in;
  return with_bytes(panels);
}

}  // namespace specdec

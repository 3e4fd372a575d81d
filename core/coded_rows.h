// Weights that are codes and scales, on their way from a stored format into panels: a format says what its panels look
// like and reads one row; unpacking and packing follow.
//   QuantFormat quant_mxfp4() { return coded_format<panels, read>("mxfp4", "…", open); }
#pragma once

#include <array>
#include <cstring>
#include <span>

#include "core/quant.h"

namespace specdec {

// One row in the order of its inputs. `read` lets it point into the file, or into the room behind it.
struct CodedRow {
  const std::byte* codes = nullptr;  // a byte each, or of codes4 two in a byte, the first in the lower half
  const std::byte *scales = nullptr, *biases = nullptr;              // (in / group) of Panels::scale_dtype
  const std::byte *super_scales = nullptr, *super_biases = nullptr;  // (in / super_group) of Panels::super_dtype

  std::byte* code_room = nullptr;                                     // in bytes
  std::byte *scale_room = nullptr, *bias_room = nullptr;              // in / 16 words of 4 bytes
  std::byte *super_scale_room = nullptr, *super_bias_room = nullptr;  // the same
};
using ReadRow = void (*)(const Weight& weight, std::int64_t row, CodedRow& out);

// Of formats whose codes and scales stand in the file as panels have them.
void read_stored(const Weight& weight, std::int64_t row, CodedRow& out);

// Fills in panel_bytes of panels of codes.
Panels with_bytes(Panels panels);

void unpack_coded(const Panels& panels, ReadRow read, const Weight& weight, std::int64_t row, float* out);
// Throws Error if an E4M3 or a scale of 8 bits is not a number.
void pack_coded(const Panels& panels, ReadRow read, const Weight& weight, std::int64_t first, std::int64_t count,
                std::byte* panel);

template <Panels (*panels)(const Weight&), ReadRow read>
QuantFormat coded_format(std::string_view name, std::string_view summary, decltype(QuantFormat::open) open) {
  return {name,
          summary,
          open,
          [](const Weight& weight, std::int64_t row, float* out, const Kernels&) {
            unpack_coded(panels(weight), read, weight, row, out);
          },
          panels,
          [](const Weight& weight, std::int64_t first, std::int64_t count, std::byte* panel) {
            pack_coded(panels(weight), read, weight, first, count, panel);
          }};
}

// Words of 4 bytes of at most kPanel rows, from byte `begin` on, into 16 lanes, each through `change`.
template <typename Change>
void transpose_words(std::span<const std::byte* const> rows, std::int64_t begin, std::int64_t bytes, std::byte* to,
                     const Change& change) {
  for (std::int64_t at = begin; at < begin + bytes; at += 4, to += kPanel * 4) {
    for (std::size_t row = 0; row < rows.size(); ++row) {
      std::uint32_t word;
      std::memcpy(&word, rows[row] + at, 4);
      word = change(word);
      std::memcpy(to + row * 4, &word, 4);
    }
  }
}

}  // namespace specdec

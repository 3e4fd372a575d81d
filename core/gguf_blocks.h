// What the formats of GGUF's blocks share: a row is blocks of codes and scales, read into the order of its inputs.
// The blocks are those of ggml/src/ggml-common.h, the numbers those of its dequantize_row functions.
#pragma once

#include "core/coded_rows.h"

namespace specdec {

inline constexpr std::int64_t kShortBlock = 32, kLongBlock = 256;

template <DType dtype>
std::optional<Weight> open_blocks(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  return open_plain(file, path, shape, dtype);
}

// Blocks of 32 have a scale of float16, those of 256 a super-scale and scales of a byte.
inline Panels short_panels(const Weight& weight, Panels panels) {
  panels.scale_dtype = DType::f16;
  panels.group = kShortBlock;
  panels.in = weight.in;
  return with_bytes(panels);
}
inline Panels long_panels(const Weight& weight, std::int64_t group, Panels panels) {
  panels.scale_dtype = DType::u8;
  panels.group = group;
  panels.super_group = kLongBlock;
  panels.super_dtype = DType::f16;
  panels.in = weight.in;
  return with_bytes(panels);
}

// Fills the room of a row: block(b, its bytes) for each of its blocks.
template <typename Block>
void read_blocks(const Weight& weight, std::int64_t row, std::int64_t elements, CodedRow& out, const Block& block) {
  const std::byte* at = weight.values.row(row);
  const std::int64_t count = weight.in / elements;
  for (std::int64_t b = 0; b < count; ++b) block(b, at + b * (weight.values.row_bytes / count));
  out.codes = out.code_room;
  out.scales = out.scale_room;
  out.biases = out.bias_room;
  out.super_scales = out.super_scale_room;
  out.super_biases = out.super_bias_room;
}

// Sets number `i` of two bytes.
inline void put_half(std::byte* to, std::int64_t i, const std::byte* from) { std::memcpy(to + 2 * i, from, 2); }

// Codes of 4 bits, two in a byte as panels want them, from bytes whose lower halves come first: `count` codes from the
// lower halves, then as many from the upper ones.
inline void pair_codes(const std::byte* bytes, std::int64_t count, std::byte* out) {
  for (std::int64_t i = 0; i < count; i += 2) {
    out[i / 2] = (bytes[i] & std::byte{15}) | bytes[i + 1] << 4;
    out[(count + i) / 2] = bytes[i] >> 4 | (bytes[i + 1] & std::byte{0xf0});
  }
}

// The same, a byte each.
inline void spread_codes(const std::byte* bytes, std::int64_t count, std::byte* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = bytes[i] & std::byte{15};
    out[count + i] = bytes[i] >> 4;
  }
}

// The fifth bits of 32 codes, from the lowest bit of the first byte on.
inline void add_fifth_bits(const std::byte* bits, std::byte* codes) {
  for (std::int64_t i = 0; i < kShortBlock; ++i) codes[i] |= (bits[i / 8] >> (i % 8) & std::byte{1}) << 4;
}

// Eight scales and eight minima of 6 bits in 12 bytes, as Q4_K and Q5_K have them.
inline void unpack_scales_and_minima(const std::byte* packed, std::byte* scales, std::byte* minima) {
  constexpr std::byte kSixBits{63}, kFourBits{15};
  for (std::int64_t i = 0; i < 4; ++i) {
    scales[i] = packed[i] & kSixBits;
    minima[i] = packed[4 + i] & kSixBits;
    scales[4 + i] = (packed[8 + i] & kFourBits) | packed[i] >> 6 << 4;
    minima[4 + i] = packed[8 + i] >> 4 | packed[4 + i] >> 6 << 4;
  }
}

// What is taken away is added as its negative: turns the sign of a float16.
inline void put_negative_half(std::byte* to, std::int64_t i, const std::byte* from) {
  to[2 * i] = from[0];
  to[2 * i + 1] = from[1] ^ std::byte{0x80};
}

// Q4_K and Q5_K: 2 bytes of d, 2 of dmin, 12 of scales and minima.
inline void read_scales_and_minima(std::int64_t b, const std::byte* block, CodedRow& out) {
  put_half(out.super_scale_room, b, block);
  put_negative_half(out.super_bias_room, b, block + 2);
  unpack_scales_and_minima(block + 4, out.scale_room + 8 * b, out.bias_room + 8 * b);
}

// Q4_0 and IQ4_NL: 2 bytes of d, 16 of codes.
inline void read_scale_and_pairs(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kShortBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.scale_room, b, block);
    pair_codes(block + 2, kShortBlock / 2, out.code_room + b * kShortBlock / 2);
  });
}

// IQ4_NL and IQ4_XS: the values that codes stand for, moved up by kTableCentre.
inline constexpr float kTableCentre = 128;
inline constexpr std::uint8_t kTable[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

}  // namespace specdec

// MLX affine quantisation, as core/quant/affine.cc reads it.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/encode.h"
#include "core/error.h"
#include "core/rounding.h"

namespace specdec {
namespace {

constexpr std::int64_t kLanes = 8;  // codes that are packed together: they fill `bits` bytes
constexpr int kMostGroup = 128;

std::vector<EncodedPart> parts(const Encoding& encoding, std::int64_t in, DType values) {
  return {{".weight", DType::u32, in * encoding.bits / 32},
          {".scales", values, in / encoding.group},
          {".biases", values, in / encoding.group}};
}

struct Grid {
  float scale, bias;
};

// A grid on which the larger end of the group, by magnitude, and zero lie.
Grid grid_of(const float* group, int size, float most_code) {
  std::array<float, kLanes> lows, highs;
  std::copy_n(group, kLanes, lows.begin());
  highs = lows;
  for (std::int64_t i = kLanes; i < size; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const float value = group[i + lane];
      const auto at = static_cast<std::size_t>(lane);
      lows[at] = value < lows[at] ? value : lows[at];
      highs[at] = value > highs[at] ? value : highs[at];
    }
  }
  const float low = *std::min_element(lows.begin(), lows.end());
  const float high = *std::max_element(highs.begin(), highs.end());
  constexpr float kLeastScale = 1e-7f;
  const bool from_low = std::fabs(low) > std::fabs(high);
  const float step = std::max((high - low) / most_code, kLeastScale);
  const float scale = from_low ? step : -step;
  const float edge = from_low ? low : high;
  const float code_of_edge = std::nearbyint(edge / scale);
  if (code_of_edge == 0) return {scale, 0};
  return {edge / code_of_edge, edge};
}

void find_codes(const float* group, int size, const Grid& grid, float most_code, std::uint8_t* codes) {
  constexpr float kWhole = 0x1.8p23f;  // a sum with it has no fraction: rounded to the nearest, ties to even
  for (int i = 0; i < size; ++i) {
    float code = (group[i] - grid.bias) / grid.scale;
    code = code > 0 ? code : 0;
    code = code < most_code ? code : most_code;
    codes[i] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(code + kWhole));
  }
}

template <int bits>
void pack(const std::uint8_t* codes, int count, std::byte* out) {
  for (int i = 0; i < count; i += kLanes, out += bits) {
    std::uint64_t word = 0;
    for (int lane = 0; lane < kLanes; ++lane) word |= static_cast<std::uint64_t>(codes[i + lane]) << (lane * bits);
    std::memcpy(out, &word, bits);
  }
}

void store(float value, DType type, std::byte* to, std::int64_t index) {
  if (type == DType::f32) return static_cast<void>(std::memcpy(to + 4 * index, &value, 4));
  const float rounded = round_to(type, value);
  const std::uint16_t half = type == DType::bf16 ? bits_of_bf16(rounded) : bits_of_f16(rounded);
  std::memcpy(to + 2 * index, &half, 2);
}

template <int bits>
void encode(const Encoding& encoding, const float* row, std::int64_t in, DType values, std::byte* const* to) {
  constexpr float kMostCode = (1 << bits) - 1;
  const int size = encoding.group;
  std::array<std::uint8_t, kMostGroup> codes;
  SPECDEC_DASSERT(size <= kMostGroup && in % size == 0);
  for (std::int64_t g = 0; g < in / size; ++g) {
    const float* group = row + g * size;
    const Grid grid = grid_of(group, size, kMostCode);
    find_codes(group, size, grid, kMostCode, codes.data());
    pack<bits>(codes.data(), size, to[0] + g * size * bits / 8);
    store(grid.scale, values, to[1], g);
    store(grid.bias, values, to[2], g);
  }
}

template <int... bits>
std::vector<Encoding> all_of(std::integer_sequence<int, bits...>) {
  std::vector<Encoding> all;
  const auto add = [&](int width, auto* of_width) {
    for (const int group : {32, 64, kMostGroup})
      all.push_back({fmt::format("affine{}g{}", width, group), "affine", width, group, parts, of_width});
  };
  (add(bits, &encode<bits>), ...);
  return all;
}

}  // namespace

Encoder encode_affine() { return {"affine", "MLX affine", all_of(std::integer_sequence<int, 2, 3, 4, 5, 6, 8>{})}; }

}  // namespace specdec

// OCP microscaling FP8 as MLX stores it: E4M3 codes, and for each 32 of them a power of two.
#include "core/encode.h"
#include "core/encode_float.h"

namespace specdec {
namespace {

constexpr int kGroup = 32;

std::vector<EncodedPart> parts(const Encoding&, std::int64_t in, DType) {
  return {{".weight", DType::u32, in / 4}, {".scales", DType::u8, in / kGroup}};
}

void encode(const Encoding&, const float* row, std::int64_t in, DType values, std::byte* const* to) {
  for (std::int64_t g = 0; g < in / kGroup; ++g) {
    const float* group = row + g * kGroup;
    const int exponent = e8m0_exponent(round_to(values, largest_magnitude(group, kGroup) / kMostE4m3));
    const float factor = std::ldexp(1.0f, -exponent);
    for (int i = 0; i < kGroup; ++i) to[0][g * kGroup + i] = static_cast<std::byte>(to_e4m3(group[i] * factor));
    to[1][g] = e8m0(exponent);
  }
}

}  // namespace

Encoder encode_mxfp8() { return {"mxfp8", "OCP MXFP8", {{"mxfp8", "mxfp8", 8, kGroup, parts, encode}}}; }

}  // namespace specdec

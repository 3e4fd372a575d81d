// OCP microscaling FP4 as MLX stores it: E2M1 codes, and for each 32 of them a power of two.
#include "core/encode.h"
#include "core/encode_float.h"

namespace specdec {
namespace {

constexpr int kGroup = 32;

std::vector<EncodedPart> parts(const Encoding&, std::int64_t in, DType) {
  return {{".weight", DType::u32, in / 8}, {".scales", DType::u8, in / kGroup}};
}

void encode(const Encoding&, const float* row, std::int64_t in, DType values, std::byte* const* to) {
  for (std::int64_t g = 0; g < in / kGroup; ++g) {
    const float* group = row + g * kGroup;
    const int exponent = e8m0_exponent(round_to(values, largest_magnitude(group, kGroup) / kMostE2m1));
    encode_e2m1(group, kGroup, std::ldexp(1.0f, -exponent), to[0] + g * kGroup / 2);
    to[1][g] = e8m0(exponent);
  }
}

}  // namespace

Encoder encode_mxfp4() { return {"mxfp4", "OCP MXFP4", {{"mxfp4", "mxfp4", 4, kGroup, parts, encode}}}; }

}  // namespace specdec

// NVFP4 as MLX stores it: E2M1 codes, and for each 16 of them an E4M3 scale; no scale of the whole tensor, so groups
// below 0.006 are zero.
#include <array>

#include "core/encode.h"
#include "core/encode_float.h"
#include "core/small_floats.h"

namespace specdec {
namespace {

constexpr int kGroup = 16;

std::vector<EncodedPart> parts(const Encoding&, std::int64_t in, DType) {
  return {{".weight", DType::u32, in / 8}, {".scales", DType::u8, in / kGroup}};
}

void encode(const Encoding&, const float* row, std::int64_t in, DType values, std::byte* const* to) {
  for (std::int64_t g = 0; g < in / kGroup; ++g) {
    const float* group = row + g * kGroup;
    const std::uint8_t code = to_e4m3(round_to(values, largest_magnitude(group, kGroup) / kMostE2m1));
    const float scale = e4m3_as_float(code);
    std::array<float, kGroup> quotients{};
    if (scale != 0) {
      for (std::size_t i = 0; i < kGroup; ++i) quotients[i] = round_to(values, group[i] / scale);
    }
    encode_e2m1(quotients.data(), kGroup, 1, to[0] + g * kGroup / 2);
    to[1][g] = static_cast<std::byte>(code);
  }
}

}  // namespace

Encoder encode_nvfp4() { return {"nvfp4", "NVFP4", {{"nvfp4", "nvfp4", 4, kGroup, parts, encode}}}; }

}  // namespace specdec

// Values as they are, rounded to the nearest.
#include <cstring>

#include "core/encode.h"
#include "core/rounding.h"

namespace specdec {
namespace {

template <DType dtype>
std::vector<EncodedPart> parts(const Encoding&, std::int64_t in, DType) {
  return {{".weight", dtype, in}};
}

void encode_f32(const Encoding&, const float* row, std::int64_t in, DType, std::byte* const* to) {
  std::memcpy(to[0], row, static_cast<std::size_t>(in) * sizeof(float));
}

template <DType dtype, std::uint16_t (*bits_of)(float)>
void encode_half(const Encoding&, const float* row, std::int64_t in, DType, std::byte* const* to) {
  auto* halves = reinterpret_cast<std::uint16_t*>(to[0]);
  for (std::int64_t i = 0; i < in; ++i) halves[i] = bits_of(round_to(dtype, row[i]));
}

}  // namespace

Encoder encode_plain() {
  return {"plain",
          "float32, float16 and bfloat16",
          {{"bf16", "", 16, 1, parts<DType::bf16>, encode_half<DType::bf16, bits_of_bf16>},
           {"f16", "", 16, 1, parts<DType::f16>, encode_half<DType::f16, bits_of_f16>},
           {"f32", "", 32, 1, parts<DType::f32>, encode_f32}}};
}

}  // namespace specdec

#include "core/gguf_blocks.h"

namespace specdec {
namespace {

constexpr std::int64_t kGroup = 16;

// d * scale * (code - 32): 128 bytes of lower halves of codes, 64 of their upper 2 bits, 16 scales with a sign, that
// panels have moved up by 128, 2 bytes of d. Each 128 codes have 64 and 32 of the bytes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kLongBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.super_scale_room, b, block + 208);
    for (std::int64_t i = 0; i < 16; ++i) out.scale_room[16 * b + i] = block[192 + i] ^ std::byte{128};
    std::byte* codes = out.code_room + b * kLongBlock;
    for (std::int64_t half = 0; half < 2; ++half, codes += 128) {
      spread_codes(block + 64 * half, 64, codes);
      const std::byte* upper = block + 128 + 32 * half;
      for (std::int64_t i = 0; i < 128; ++i) codes[i] |= (upper[i % 32] >> (i / 32 * 2) & std::byte{3}) << 4;
    }
  });
}

Panels panels(const Weight& weight) {
  return long_panels(weight, kGroup, {.kind = PanelKind::codes8, .centre = 32, .scale_centre = 128});
}

}  // namespace

QuantFormat quant_q6_k() {
  return coded_format<panels, read>("q6_k", "GGUF: 6 bits, scales of 8 bits for 16 of 256", open_blocks<DType::q6_k>);
}

}  // namespace specdec

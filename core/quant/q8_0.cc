#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * code: 2 bytes of d, 32 of codes with a sign, that panels have moved up by 128.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kShortBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.scale_room, b, block);
    std::byte* codes = out.code_room + b * kShortBlock;
    for (std::int64_t i = 0; i < kShortBlock; ++i) codes[i] = block[2 + i] ^ std::byte{128};
  });
}

Panels panels(const Weight& weight) { return short_panels(weight, {.kind = PanelKind::codes8, .centre = 128}); }

}  // namespace

QuantFormat quant_q8_0() {
  return coded_format<panels, read>("q8_0", "GGUF: 8 bits, a scale for 32", open_blocks<DType::q8_0>);
}

}  // namespace specdec

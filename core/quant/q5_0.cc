#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * (code - 16): 2 bytes of d, 4 of fifth bits, 16 of codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kShortBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.scale_room, b, block);
    spread_codes(block + 6, kShortBlock / 2, out.code_room + b * kShortBlock);
    add_fifth_bits(block + 2, out.code_room + b * kShortBlock);
  });
}

Panels panels(const Weight& weight) { return short_panels(weight, {.kind = PanelKind::codes5, .centre = 16}); }

}  // namespace

QuantFormat quant_q5_0() {
  return coded_format<panels, read>("q5_0", "GGUF: 5 bits, a scale for 32", open_blocks<DType::q5_0>);
}

}  // namespace specdec

#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * code + m: 2 bytes of d, 2 of m, 4 of fifth bits, 16 of codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kShortBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.scale_room, b, block);
    put_half(out.bias_room, b, block + 2);
    spread_codes(block + 8, kShortBlock / 2, out.code_room + b * kShortBlock);
    add_fifth_bits(block + 4, out.code_room + b * kShortBlock);
  });
}

Panels panels(const Weight& weight) { return short_panels(weight, {.kind = PanelKind::codes5, .biased = true}); }

}  // namespace

QuantFormat quant_q5_1() {
  return coded_format<panels, read>("q5_1", "GGUF: 5 bits, a scale and a minimum for 32", open_blocks<DType::q5_1>);
}

}  // namespace specdec

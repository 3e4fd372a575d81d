#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * code + m: 2 bytes of d, 2 of m, 16 of codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kShortBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.scale_room, b, block);
    put_half(out.bias_room, b, block + 2);
    pair_codes(block + 4, kShortBlock / 2, out.code_room + b * kShortBlock / 2);
  });
}

Panels panels(const Weight& weight) { return short_panels(weight, {.kind = PanelKind::codes4, .biased = true}); }

}  // namespace

QuantFormat quant_q4_1() {
  return coded_format<panels, read>("q4_1", "GGUF: 4 bits, a scale and a minimum for 32", open_blocks<DType::q4_1>);
}

}  // namespace specdec

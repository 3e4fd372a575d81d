#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * scale * code - dmin * minimum, scale and minimum for 32: 16 bytes of those, 128 of codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kLongBlock, out, [&](std::int64_t b, const std::byte* block) {
    read_scales_and_minima(b, block, out);
    for (std::int64_t i = 0; i < kLongBlock / 2; i += kShortBlock)
      pair_codes(block + 16 + i, kShortBlock, out.code_room + b * kLongBlock / 2 + i);
  });
}

Panels panels(const Weight& weight) {
  return long_panels(weight, kShortBlock, {.kind = PanelKind::codes4, .biased = true});
}

}  // namespace

QuantFormat quant_q4_k() {
  return coded_format<panels, read>("q4_k", "GGUF: 4 bits, scales and minima of 6 bits for 32 of 256",
                                    open_blocks<DType::q4_k>);
}

}  // namespace specdec

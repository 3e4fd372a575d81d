#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// As q4_k, with 32 bytes of fifth bits before the codes: bit i of each byte is of the i-th 32 codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kLongBlock, out, [&](std::int64_t b, const std::byte* block) {
    read_scales_and_minima(b, block, out);
    const std::byte* fifth = block + 16;
    std::byte* codes = out.code_room + b * kLongBlock;
    for (std::int64_t i = 0; i < kLongBlock / 2; i += kShortBlock)
      spread_codes(block + 48 + i, kShortBlock, codes + 2 * i);
    for (std::int64_t i = 0; i < kLongBlock; ++i)
      codes[i] |= (fifth[i % kShortBlock] >> (i / kShortBlock) & std::byte{1}) << 4;
  });
}

Panels panels(const Weight& weight) {
  return long_panels(weight, kShortBlock, {.kind = PanelKind::codes5, .biased = true});
}

}  // namespace

QuantFormat quant_q5_k() {
  return coded_format<panels, read>("q5_k", "GGUF: 5 bits, scales and minima of 6 bits for 32 of 256",
                                    open_blocks<DType::q5_k>);
}

}  // namespace specdec

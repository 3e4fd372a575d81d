#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * (scale - 32) * table[code], a scale for 32: 2 bytes of d, 2 of the scales' upper 2 bits, 4 of their lower halves,
// 128 of codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kLongBlock, out, [&](std::int64_t b, const std::byte* block) {
    put_half(out.super_scale_room, b, block);
    for (std::int64_t i = 0; i < 8; ++i) {
      const std::byte upper = block[2 + i / 4] >> (i % 4 * 2) & std::byte{3};
      const std::byte lower = block[4 + i / 2] >> (i % 2 * 4) & std::byte{15};
      out.scale_room[8 * b + i] = lower | upper << 4;
      pair_codes(block + 8 + 16 * i, kShortBlock / 2, out.code_room + b * kLongBlock / 2 + 16 * i);
    }
  });
}

Panels panels(const Weight& weight) {
  return long_panels(weight, kShortBlock,
                     {.kind = PanelKind::codes4, .centre = kTableCentre, .scale_centre = 32, .table = kTable});
}

}  // namespace

QuantFormat quant_iq4_xs() {
  return coded_format<panels, read>("iq4_xs", "GGUF: 16 uneven steps, scales of 6 bits for 32 of 256",
                                    open_blocks<DType::iq4_xs>);
}

}  // namespace specdec

#include "core/fp4.h"
#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// A byte of exponent, 16 of codes.
void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_blocks(weight, row, kShortBlock, out, [&](std::int64_t b, const std::byte* block) {
    out.scale_room[b] = block[0];
    pair_codes(block + 1, kShortBlock / 2, out.code_room + b * kShortBlock / 2);
  });
}

Panels panels(const Weight& weight) { return fp4_panels(weight.in, DType::f8_e8m0, kShortBlock); }

}  // namespace

QuantFormat quant_gguf_mxfp4() {
  return coded_format<panels, read>("gguf_mxfp4", "GGUF: MXFP4, 4-bit floats with a power of two for 32",
                                    open_blocks<DType::mxfp4>);
}

}  // namespace specdec

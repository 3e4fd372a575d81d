#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * (code - 8).
Panels panels(const Weight& weight) { return short_panels(weight, {.kind = PanelKind::codes4, .centre = 8}); }

}  // namespace

QuantFormat quant_q4_0() {
  return coded_format<panels, read_scale_and_pairs>("q4_0", "GGUF: 4 bits, a scale for 32", open_blocks<DType::q4_0>);
}

}  // namespace specdec

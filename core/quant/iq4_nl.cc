#include "core/gguf_blocks.h"

namespace specdec {
namespace {

// d * table[code].
Panels panels(const Weight& weight) {
  return short_panels(weight, {.kind = PanelKind::codes4, .centre = kTableCentre, .table = kTable});
}

}  // namespace

QuantFormat quant_iq4_nl() {
  return coded_format<panels, read_scale_and_pairs>("iq4_nl", "GGUF: 16 uneven steps, a scale for 32",
                                                    open_blocks<DType::iq4_nl>);
}

}  // namespace specdec

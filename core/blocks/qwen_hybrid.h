// What Qwen3-Next and Qwen3.5 share: layers of gated DeltaNet between layers of gated attention.
#pragma once

#include "core/blocks/decoder.h"

namespace specdec {

enum class DeltaLayout { by_key_head, flat };  // as of DeltaNetSpec::by_key_head

// outer: config.json, with the text model inside or of the text model alone. Experts are the caller's.
DecoderSpec read_qwen_hybrid(const ConfigReader& outer, DeltaLayout layout);

// Experts with a gated shared one. config: of the text model.
void read_qwen_experts(const ConfigReader& config, DecoderSpec& spec);

}  // namespace specdec

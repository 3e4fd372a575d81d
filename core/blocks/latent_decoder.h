// Decoders of latent attention and mixtures with shared experts: DeepSeek-V2, V3 and V3.2, Kimi K2, GLM-4.7-Flash and
// GLM-5. transformers: models/deepseek_v2, deepseek_v3, deepseek_v32, kimi_k25, glm4_moe_lite, glm_moe_dsa.
#pragma once

#include "core/blocks/decoder.h"

namespace specdec {

// What transformers takes for keys that a config.json leaves out, and what no key says.
struct LatentDefaults {
  double rms_norm_eps = 1e-6;
  double partial_rotary_factor = 0;  // as of DecoderDefaults
  int groups = 8, groups_kept = 4;
  double scaling = 2.5;   // of routed experts
  bool may_split = true;  // rope_interleave = false is heeded
  bool index_interleaved = false;
  bool carries_raw = true;  // as of HeadReading
};

// config: of the text model, if it is inside another.
DecoderSpec read_latent_decoder(const ConfigReader& config, const LatentDefaults& defaults);

}  // namespace specdec

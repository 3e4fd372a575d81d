// GLM-4.7-Flash: latent attention, a sigmoid router, one dense layer. transformers: models/glm4_moe_lite.
#include "core/blocks/latent_decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  return read_latent_decoder(config, {.rms_norm_eps = 1e-5,
                                      .partial_rotary_factor = 1,
                                      .groups = 1,
                                      .groups_kept = 1,
                                      .scaling = 1.8,
                                      .carries_raw = false});
}

}  // namespace

Architecture arch_glm4_moe_lite() {
  return decoder_architecture<read>("glm4_moe_lite", "GLM-4.7-Flash, latent attention, mixture of experts");
}

}  // namespace specdec

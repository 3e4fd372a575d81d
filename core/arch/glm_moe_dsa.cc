// GLM-5 and 5.2: sparse latent attention, whose indexers layers may share, an MTP layer. transformers:
// models/glm_moe_dsa.
#include "core/blocks/latent_decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  return read_latent_decoder(config, {.rms_norm_eps = 1e-5,
                                      .groups = 1,
                                      .groups_kept = 1,
                                      .may_split = false,
                                      .index_interleaved = true,
                                      .carries_raw = false});
}

}  // namespace

Architecture arch_glm_moe_dsa() {
  return decoder_architecture<read>("glm_moe_dsa", "GLM-5, sparse latent attention, mixture of experts");
}

}  // namespace specdec

// DeepSeek-V2 (arXiv 2405.04434): latent attention, a softmax router. transformers: models/deepseek_v2.
#include "core/blocks/latent_decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  return read_latent_decoder(config, {.groups = 1, .groups_kept = 1, .scaling = 1, .may_split = false});
}

}  // namespace

Architecture arch_deepseek_v2() {
  return decoder_architecture<read>("deepseek_v2", "DeepSeek-V2, latent attention, mixture of experts");
}

}  // namespace specdec

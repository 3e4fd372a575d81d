// DeepSeek-V3 and R1 (arXiv 2412.19437): latent attention, a sigmoid router with groups, an MTP layer. transformers:
// models/deepseek_v3.
#include "core/blocks/latent_decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) { return read_latent_decoder(config, {}); }

}  // namespace

Architecture arch_deepseek_v3() {
  return decoder_architecture<read>("deepseek_v3", "DeepSeek-V3 and R1, latent attention, mixture of experts");
}

}  // namespace specdec

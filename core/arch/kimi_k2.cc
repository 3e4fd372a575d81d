// Kimi K2 (arXiv 2507.20534): DeepSeek-V3 by another name.
#include "core/blocks/latent_decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) { return read_latent_decoder(config, {}); }

}  // namespace

Architecture arch_kimi_k2() {
  return decoder_architecture<read>("kimi_k2", "Kimi K2, latent attention, mixture of experts");
}

}  // namespace specdec

// DeepSeek-V3.2 (arXiv 2512.02556): DeepSeek-V3 with sparse attention. transformers: models/deepseek_v32.
#include "core/blocks/latent_decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) { return read_latent_decoder(config, {.may_split = false}); }

}  // namespace

Architecture arch_deepseek_v32() {
  return decoder_architecture<read>("deepseek_v32", "DeepSeek-V3.2, sparse latent attention, mixture of experts");
}

}  // namespace specdec

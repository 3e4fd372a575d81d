// Qwen3-Next: gated DeltaNet and gated attention, a mixture of experts in most layers. transformers: models/qwen3_next.
#include "core/blocks/qwen_hybrid.h"
#include "core/layer_kinds.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_qwen_hybrid(config, DeltaLayout::by_key_head);
  spec.moe.normalise = config.boolean("norm_topk_prob", true);
  read_qwen_experts(config, spec);
  spec.routed = qwen_routed_layers(config, spec.info.layers);
  return spec;
}

}  // namespace

Architecture arch_qwen3_next() {
  return decoder_architecture<read>("qwen3_next", "Qwen3-Next, recurrent, mixture of experts");
}

}  // namespace specdec

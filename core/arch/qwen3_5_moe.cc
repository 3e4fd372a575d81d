// Qwen3.5, mixture of experts, with or without a vision tower, which is left out. transformers: models/qwen3_5_moe.
#include "core/blocks/qwen_hybrid.h"
#include "core/inventory.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_qwen_hybrid(config, DeltaLayout::flat);
  read_qwen_experts(text_part(config), spec);
  spec.routed.assign(spec.routed.size(), true);
  return spec;
}

}  // namespace

Architecture arch_qwen3_5_moe() {
  return decoder_architecture<read>("qwen3_5_moe", "Qwen3.5, recurrent, mixture of experts");
}

}  // namespace specdec

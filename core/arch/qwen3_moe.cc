// Qwen3 mixture of experts: softmax router, no shared expert. transformers: models/qwen3_moe.
#include "core/blocks/decoder.h"
#include "core/layer_kinds.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config);
  spec.attention.qkv_bias = spec.attention.output_bias = config.boolean("attention_bias", false);
  spec.attention.qk_norm = AttentionSpec::QkNorm::of_heads;
  read_windows(config, spec);
  spec.moe.normalise = config.boolean("norm_topk_prob", false);
  read_experts(config, config.first_of({"num_experts", "num_local_experts"}), spec);
  spec.routed = qwen_routed_layers(config, spec.info.layers);
  return spec;
}

}  // namespace

Architecture arch_qwen3_moe() { return decoder_architecture<read>("qwen3_moe", "Qwen3, mixture of experts"); }

}  // namespace specdec

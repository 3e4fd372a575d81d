// GLM-4.5 to 4.7 mixture of experts: sigmoid router with a correction bias, a shared expert, dense first layers,
// partial RoPE, an MTP layer. transformers: models/glm4_moe.
#include "core/blocks/decoder.h"
#include "core/layer_kinds.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config, {.partial_rotary_factor = 0.5, .rms_norm_eps = 1e-5});
  spec.attention.qkv_bias = config.boolean("attention_bias", false);
  if (config.boolean("use_qk_norm", false)) spec.attention.qk_norm = AttentionSpec::QkNorm::of_heads;
  expect_full_attention(config);
  spec.moe.sigmoid = true;
  spec.moe.normalise = config.boolean("norm_topk_prob", true);
  spec.moe.scaling = static_cast<float>(config.positive("routed_scaling_factor", 1));
  spec.moe.groups = config.count("n_group", 1);
  spec.moe.groups_kept = config.count("topk_group", 1);
  spec.info.shared_experts = config.count("n_shared_experts", 1);
  read_experts(config, config.first_of({"n_routed_experts", "num_experts", "num_local_experts"}), spec);
  spec.routed = glm_routed_layers(config, spec.info.layers);
  read_mtp_layers(config, spec, mtp_key(config));
  return spec;
}

}  // namespace

Architecture arch_glm4_moe() { return decoder_architecture<read>("glm4_moe", "GLM-4.5 to 4.7, mixture of experts"); }

}  // namespace specdec

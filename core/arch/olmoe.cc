// OLMoE (arXiv 2409.02060): norms over all queries and all keys of a row, many small experts whose weights need not sum
// to 1. transformers: models/olmoe.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config, {.rms_norm_eps = 1e-5});
  expect_full_attention(config);
  spec.attention.qkv_bias = spec.attention.output_bias = config.boolean("attention_bias", false);
  spec.attention.qk_norm = AttentionSpec::QkNorm::of_rows;
  if (config.has("clip_qkv")) spec.attention.clip = static_cast<float>(config.positive("clip_qkv", 0));
  spec.moe.normalise = config.boolean("norm_topk_prob", false);
  read_experts(config, config.first_of({"num_experts", "num_local_experts"}), spec, "intermediate_size");
  spec.routed.assign(spec.routed.size(), true);
  return spec;
}

}  // namespace

Architecture arch_olmoe() { return decoder_architecture<read>("olmoe", "OLMoE, mixture of experts"); }

}  // namespace specdec

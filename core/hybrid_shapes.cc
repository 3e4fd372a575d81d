#include "core/hybrid_shapes.h"

#include <algorithm>

#include "core/blocks/recurrent_cache.h"
#include "core/inventory.h"

namespace specdec {
namespace {

constexpr int kMost = 1 << 12;

MambaShape read_mamba_shape(const ConfigReader& config) {
  return {.heads = config.count("mamba_num_heads", 128, kMost),
          .head_dim = config.count("mamba_head_dim", 64, kMost),
          .groups = config.count(config.first_of({"mamba_n_groups", "n_groups"}), 8, kMost),
          .state = config.count("ssm_state_size", 128, kMost),
          .taps = config.count(config.first_of({"mamba_d_conv", "conv_kernel"}), 4, kMostTaps),
          .biased = config.boolean("use_bias", false),
          .conv_biased = config.boolean(config.first_of({"mamba_conv_bias", "use_conv_bias"}), true)};
}

}  // namespace

bool NemotronShape::has(HybridBlock block) const {
  const auto is_in = [&](const std::vector<HybridBlock>& of) { return std::ranges::find(of, block) != of.end(); };
  return is_in(blocks) || (mtp_layers > 0 && is_in(mtp_blocks));
}

NemotronShape read_nemotron_shape(const ConfigReader& config) {
  NemotronShape shape;
  shape.blocks = nemotron_blocks(config);
  shape.mtp_blocks = nemotron_mtp_blocks(config);
  shape.mtp_layers = count_mtp_layers(config, mtp_key(config));
  shape.head_dim = config.positive_count("attention_head_dim", 128);  // as older configs call it
  shape.mlp_biased = config.boolean("mlp_bias", false);
  if (shape.has(HybridBlock::mamba)) shape.mamba = read_mamba_shape(config);
  if (!shape.has(HybridBlock::moe)) return shape;
  shape.experts_key = config.first_of({"n_routed_experts", "num_local_experts"});
  shape.latent = config.count("moe_latent_size", 0);
  // Whatever 'n_shared_experts' says.
  shape.shared_width = static_cast<int>(size_of(config, "moe_shared_expert_intermediate_size"));
  return shape;
}

QwenHybridShape read_qwen_hybrid_shape(const ConfigReader& config) {
  return {.key_heads = config.count("linear_num_key_heads", 16, kMost),
          .value_heads = config.count("linear_num_value_heads", 32, kMost),
          .key_dim = config.count("linear_key_head_dim", 128, kMost),
          .value_dim = config.count("linear_value_head_dim", 128, kMost),
          .taps = config.count("linear_conv_kernel_dim", 4, kMostTaps),
          .experts_key = config.first_of({"num_experts", "num_local_experts"}),
          .shared_width = config.count("shared_expert_intermediate_size", 512)};
}

}  // namespace specdec

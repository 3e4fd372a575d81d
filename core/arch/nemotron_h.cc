// Nemotron-H and Nemotron 3: each layer one of Mamba2, attention without positions, experts, dense (arXiv 2504.03624).
// transformers: models/nemotron_h.
#include <algorithm>
#include <limits>

#include "core/blocks/decoder.h"
#include "core/blocks/mamba.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/layer_kinds.h"
#include "core/inventory.h"

namespace specdec {
namespace {

void expect_activation(const ConfigReader& config, std::string_view key, std::string_view known) {
  const std::string found = config.text(key, known);
  if (found != known) throw Error("{}: '{}' is '{}'; expected {}", config.origin(), key, found, known);
}

MambaSpec read_mamba(const ConfigReader& config, float eps) {
  constexpr int kMost = 1 << 12;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto [least, most] = config.interval(config.first_of({"mamba_dt_limit", "time_step_limit"}), {0, kInfinity});
  const double min = config.not_negative(config.first_of({"mamba_dt_min", "time_step_min"}), 1e-3);
  const MambaSpec mamba{.heads = config.count("mamba_num_heads", 128, kMost),
                        .head_dim = config.count("mamba_head_dim", 64, kMost),
                        .groups = config.count(config.first_of({"mamba_n_groups", "n_groups"}), 8, kMost),
                        .state = config.count("ssm_state_size", 128, kMost),
                        .taps = config.count(config.first_of({"mamba_d_conv", "conv_kernel"}), 4, kMostTaps),
                        .biased = config.boolean("use_bias", false),
                        .conv_biased = config.boolean(config.first_of({"mamba_conv_bias", "use_conv_bias"}), true),
                        .eps = eps,
                        .least_step = static_cast<float>(least),
                        .most_step = static_cast<float>(most),
                        .lengthened_step = static_cast<float>(min)};
  if (mamba.heads % mamba.groups != 0) {
    throw Error("{}: {} Mamba heads do not divide over {} groups", config.origin(), mamba.heads, mamba.groups);
  }
  return mamba;
}

void read_nemotron_experts(const ConfigReader& config, DecoderSpec& spec) {
  MoeSpec& moe = spec.moe;
  moe.sigmoid = true;
  moe.normalise = config.boolean("norm_topk_prob", true);
  moe.scaling = static_cast<float>(config.positive("routed_scaling_factor", 1));
  moe.groups = config.count("n_group", 1);
  moe.groups_kept = config.count("topk_group", 1);
  moe.latent = config.count("moe_latent_size", 0);
  moe.biased = spec.mlp_bias;
  read_experts(config, config.first_of({"n_routed_experts", "num_local_experts"}), spec);
  moe.shared_width = config.count("moe_shared_expert_intermediate_size");  // whatever 'n_shared_experts' says
  spec.info.shared_experts = 1;
}

std::unique_ptr<Block> load_mixer(const LayerFile& at, HybridBlock block, const MambaSpec& mamba) {
  const DecoderSpec& spec = at.spec;
  const std::string path = at.path + ".mixer";
  if (block == HybridBlock::mamba) {
    const bool lengthens = at.engine.lengthens_time_steps();
    return std::make_unique<Mamba>(at.file, path, lengthens ? mamba.lengthened() : mamba, spec.hidden);
  }
  if (block == HybridBlock::attention) {
    return std::make_unique<Attention>(at.file, path, spec.attention, spec.hidden);
  }
  return load_feed_forward(at);
}

DecoderSpec read(const ConfigReader& config) {
  const std::vector<HybridBlock> blocks = nemotron_blocks(config);
  constexpr int kHeadDim = 128;
  DecoderSpec spec = read_decoder(
      config, {.head_dim = config.positive_count("attention_head_dim", kHeadDim),  // as older configs call it
               .layers = static_cast<int>(blocks.size()),
               .own_rope = true});
  expect_activation(config, "mlp_hidden_act", "relu2");
  expect_activation(config, "mamba_hidden_act", "silu");
  spec.eps = read_eps(config, "layer_norm_epsilon", 1e-5);
  spec.attention.rope = -1;
  spec.activation = Activation::relu2;
  spec.mlp_bias = config.boolean("mlp_bias", false);
  spec.names = {
      .root = "backbone", .embedding = "embeddings", .norm = "norm_f", .feed_forward = "mixer", .ignored = {}};
  spec.other_names = {spec.names};
  spec.other_names[0].root = "model";  // transformers' own
  spec.tied = false;                   // whatever 'tie_word_embeddings' says
  spec.routed.clear();
  for (const HybridBlock block : blocks) spec.routed.push_back(block == HybridBlock::moe);
  read_mtp_layers(config, spec, mtp_key(config));
  const std::vector<HybridBlock> mtp_blocks = nemotron_mtp_blocks(config);
  const auto any = [&](HybridBlock kind) {
    const auto is_in = [&](const std::vector<HybridBlock>& of) { return std::ranges::find(of, kind) != of.end(); };
    return is_in(blocks) || (spec.info.mtp_layers > 0 && is_in(mtp_blocks));
  };
  if (any(HybridBlock::moe)) read_nemotron_experts(config, spec);
  const MambaSpec mamba = any(HybridBlock::mamba) ? read_mamba(config, spec.eps) : MambaSpec{};
  const auto load_sublayer = [mamba](const LayerFile& at, HybridBlock block) {
    return Sublayer{load_norm(at, "norm"), {}, load_mixer(at, block, mamba)};
  };
  spec.load_layer = [blocks, load_sublayer](const LayerFile& at) {
    DecoderLayer layer;
    layer.sublayers.push_back(load_sublayer(at, blocks[static_cast<std::size_t>(at.layer)]));
    return layer;
  };
  const auto layers = static_cast<int>(mtp_blocks.size());
  const auto of_kind = [&](HybridBlock kind) { return std::ranges::count(mtp_blocks, kind); };
  if (of_kind(HybridBlock::attention) + of_kind(HybridBlock::mamba) > 1 || of_kind(HybridBlock::moe) > 1) {
    throw Error(
        "{}: the multi-token-prediction head has {} blocks; expected at most one of attention or Mamba, and one of "
        "experts, such as '*E'",
        config.origin(), layers);
  }
  spec.mtp = {.root = "mtp",
              .embedding_norm = "mtp.layers.0.enorm",
              .hidden_norm = "mtp.layers.0.hnorm",
              .join = "mtp.layers.0.eh_proj",
              .norm = fmt::format("mtp.layers.{}.final_layernorm", layers - 1),
              .load_layer =
                  [mtp_blocks, load_sublayer](const LayerFile& at) {
                    DecoderLayer all;
                    for (std::size_t i = 0; i < mtp_blocks.size(); ++i) {
                      LayerFile one = at;
                      one.path += fmt::format(".layers.{}", i);
                      one.routed = mtp_blocks[i] == HybridBlock::moe;
                      all.sublayers.push_back(load_sublayer(one, mtp_blocks[i]));
                    }
                    return all;
                  },
              .layers = layers};
  return spec;
}

}  // namespace

Architecture arch_nemotron_h() {
  return decoder_architecture<read>("nemotron_h", "Nemotron-H and Nemotron 3, recurrent");
}

}  // namespace specdec

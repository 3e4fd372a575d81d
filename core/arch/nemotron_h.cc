// Nemotron-H and Nemotron 3: each layer one of Mamba2, attention without positions, experts, dense (arXiv 2504.03624).
// transformers: models/nemotron_h.
#include <algorithm>
#include <limits>

#include "core/blocks/decoder.h"
#include "core/blocks/mamba.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/hybrid_shapes.h"

namespace specdec {
namespace {

void expect_activation(const ConfigReader& config, std::string_view key, std::string_view known) {
  const std::string found = config.text(key, known);
  if (found != known) throw Error("{}: '{}' is '{}'; expected {}", config.origin(), key, found, known);
}

MambaSpec read_mamba(const ConfigReader& config, const MambaShape& shape, float eps) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto [least, most] = config.interval(config.first_of({"mamba_dt_limit", "time_step_limit"}), {0, kInfinity});
  const double min = config.not_negative(config.first_of({"mamba_dt_min", "time_step_min"}), 1e-3);
  const MambaSpec mamba{.heads = shape.heads,
                        .head_dim = shape.head_dim,
                        .groups = shape.groups,
                        .state = shape.state,
                        .taps = shape.taps,
                        .biased = shape.biased,
                        .conv_biased = shape.conv_biased,
                        .eps = eps,
                        .least_step = static_cast<float>(least),
                        .most_step = static_cast<float>(most),
                        .lengthened_step = static_cast<float>(min)};
  if (mamba.heads % mamba.groups != 0) {
    throw Error("{}: {} Mamba heads do not divide over {} groups", config.origin(), mamba.heads, mamba.groups);
  }
  return mamba;
}

void read_nemotron_experts(const ConfigReader& config, const NemotronShape& shape, DecoderSpec& spec) {
  MoeSpec& moe = spec.moe;
  moe.sigmoid = true;
  moe.normalise = config.boolean("norm_topk_prob", true);
  moe.scaling = static_cast<float>(config.positive("routed_scaling_factor", 1));
  moe.groups = config.count("n_group", 1);
  moe.groups_kept = config.count("topk_group", 1);
  moe.latent = shape.latent;
  moe.biased = spec.mlp_bias;
  read_experts(config, shape.experts_key, spec);
  moe.shared_width = shape.shared_width;
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
  const NemotronShape shape = read_nemotron_shape(config);
  const std::vector<HybridBlock>& blocks = shape.blocks;
  const std::vector<HybridBlock>& mtp_blocks = shape.mtp_blocks;
  DecoderSpec spec =
      read_decoder(config, {.head_dim = shape.head_dim, .layers = static_cast<int>(blocks.size()), .own_rope = true});
  expect_activation(config, "mlp_hidden_act", "relu2");
  expect_activation(config, "mamba_hidden_act", "silu");
  spec.eps = read_eps(config, "layer_norm_epsilon", 1e-5);
  spec.attention.rope = -1;
  spec.activation = Activation::relu2;
  spec.mlp_bias = shape.mlp_biased;
  spec.names = {
      .root = "backbone", .embedding = "embeddings", .norm = "norm_f", .feed_forward = "mixer", .ignored = {}};
  spec.other_names = {spec.names};
  spec.other_names[0].root = "model";  // transformers' own
  spec.tied = NemotronShape::kTied;
  spec.routed.clear();
  for (const HybridBlock block : blocks) spec.routed.push_back(block == HybridBlock::moe);
  read_mtp_layers(config, spec, mtp_key(config));
  if (shape.has(HybridBlock::moe)) read_nemotron_experts(config, shape, spec);
  const MambaSpec mamba = shape.has(HybridBlock::mamba) ? read_mamba(config, shape.mamba, spec.eps) : MambaSpec{};
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

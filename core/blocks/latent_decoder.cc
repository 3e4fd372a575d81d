#include "core/blocks/latent_decoder.h"

#include <cmath>

#include "core/blocks/latent_attention.h"
#include "core/error.h"
#include "core/inventory.h"
#include "core/layer_kinds.h"

namespace specdec {
namespace {

float score_scale(const ConfigReader& config, int dim) {
  const double scale = 1 / std::sqrt(static_cast<double>(dim));
  const std::optional<ConfigReader> scaling = rope_scaling(config);
  const double mscale = scaling ? scaling->not_negative("mscale_all_dim", 0) : 0;
  if (mscale == 0 || scaling->text(scaling->first_of({"rope_type", "type"}), "default") == "default") {
    return static_cast<float>(scale);
  }
  const double magnitude = yarn_magnitude(rope_stretch(config, *scaling), mscale);
  return static_cast<float>(scale * magnitude * magnitude);
}

LatentSpec read_attention(const ConfigReader& config, const DecoderSpec& spec) {
  LatentSpec latent;
  latent.heads = spec.attention.heads;
  latent.q_rank = static_cast<int>(size_of(config, "q_lora_rank", 0));
  latent.kv_rank = static_cast<int>(size_of(config, "kv_lora_rank"));
  latent.nope = static_cast<int>(size_of(config, "qk_nope_head_dim"));
  latent.rope_dims = static_cast<int>(size_of(config, "qk_rope_head_dim"));
  latent.value = static_cast<int>(size_of(config, "v_head_dim"));
  latent.biased = config.boolean("attention_bias", false);
  latent.scale = score_scale(config, latent.q_dim());
  return latent;
}

// The frequencies are the attention's own, of as many elements.
IndexerSpec read_indexer(const ConfigReader& config, const LatentSpec& latent, int rope) {
  IndexerSpec indexer;
  indexer.heads = static_cast<int>(size_of(config, "index_n_heads"));
  indexer.head_dim = static_cast<int>(size_of(config, "index_head_dim"));
  indexer.top = static_cast<int>(size_of(config, "index_topk"));
  indexer.rope = rope;
  if (latent.q_rank == 0) throw Error("{}: an indexer without 'q_lora_rank'; expected a size", config.origin());
  if (indexer.head_dim < latent.rope_dims) {
    throw Error("{}: 'index_head_dim' is {}; expected at least the {} of 'qk_rope_head_dim'", config.origin(),
                indexer.head_dim, latent.rope_dims);
  }
  return indexer;
}

// An MTP layer, beyond those of the trunk, shares with nobody.
LatentSpec::Choice choice_of(const std::vector<bool>& indexed, std::size_t layer) {
  if (layer >= indexed.size()) return LatentSpec::Choice::own;
  if (!indexed[layer]) return LatentSpec::Choice::borrowed;
  return layer + 1 < indexed.size() && !indexed[layer + 1] ? LatentSpec::Choice::lent : LatentSpec::Choice::own;
}

void read_mixture(const ConfigReader& config, const LatentDefaults& defaults, DecoderSpec& spec) {
  MoeSpec& moe = spec.moe;
  moe.sigmoid = !is_deepseek_v2(config);
  moe.normalise = moe.sigmoid && config.boolean("norm_topk_prob", true);
  moe.scaling = static_cast<float>(config.positive("routed_scaling_factor", defaults.scaling));
  const std::string method = config.text("topk_method", moe.sigmoid ? "noaux_tc" : "greedy");
  if (moe.sigmoid ? method != "noaux_tc" : method != "greedy" && method != "group_limited_greedy") {
    throw Error("{}: 'topk_method' is '{}'; expected {}", config.origin(), method,
                moe.sigmoid ? "noaux_tc" : "greedy or group_limited_greedy");
  }
  if (method != "greedy") {
    moe.groups = config.count("n_group", defaults.groups);
    moe.groups_kept = config.count("topk_group", defaults.groups_kept);
    if (!moe.sigmoid) moe.group_scored_by = 1;
  }
  spec.info.shared_experts = deepseek_shared_experts(config);
  spec.mlp_bias = moe.biased = deepseek_mlp_bias(config);
  read_experts(config, config.first_of({"n_routed_experts", "num_experts", "num_local_experts"}), spec);
  spec.routed = deepseek_routed_layers(config, spec.info.layers);
}

}  // namespace

DecoderSpec read_latent_decoder(const ConfigReader& config, const LatentDefaults& defaults) {
  const int rope_dims = static_cast<int>(size_of(config, "qk_rope_head_dim"));
  DecoderSpec spec =
      read_decoder(config, {.rms_norm_eps = defaults.rms_norm_eps, .head_dim = rope_dims, .own_rope = true});
  LatentSpec latent = read_attention(config, spec);
  spec.ropes = {read_rope(config, rope_dims, defaults.partial_rotary_factor, DecoderDefaults{}.rope_theta)};
  if (spec.ropes[0].dims != rope_dims) {
    throw Error("{}: 'partial_rotary_factor' rotates {} elements; expected the {} of 'qk_rope_head_dim'",
                config.origin(), spec.ropes[0].dims, rope_dims);
  }
  spec.ropes[0].interleaved = !defaults.may_split || config.boolean("rope_interleave", true);
  std::vector<bool> indexed;
  if (is_indexed(config)) {
    spec.ropes.push_back(spec.ropes[0]);
    spec.ropes[1].interleaved = defaults.index_interleaved;
    latent.indexer = read_indexer(config, latent, 1);
    indexed = deepseek_indexed_layers(config, spec.info.layers);
  }
  read_mixture(config, defaults, spec);
  read_mtp_layers(config, spec, mtp_key(config));
  spec.mtp_reading.normed_carried = !defaults.carries_raw;
  spec.load_layer = [latent, indexed](const LayerFile& at) {
    LatentSpec of_layer = latent;
    of_layer.choice = choice_of(indexed, static_cast<std::size_t>(at.layer));
    return load_decoder_layer(at, [&](const LayerFile& in) {
      return std::make_unique<LatentAttention>(in.file, in.path + ".self_attn", of_layer, in.spec.hidden);
    });
  };
  return spec;
}

}  // namespace specdec

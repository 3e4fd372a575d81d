#include "core/blocks/gemma.h"

#include <cmath>

#include "core/error.h"

namespace specdec {
namespace {

// Norms before and after each of attention and feed-forward.
DecoderLayer load_layer(const LayerFile& at) {
  DecoderLayer layer;
  layer.sublayers.push_back(
      {load_norm(at, "input_layernorm"), load_norm(at, "post_attention_layernorm"), load_attention(at)});
  layer.sublayers.push_back(
      {load_norm(at, "pre_feedforward_layernorm"), load_norm(at, "post_feedforward_layernorm"), load_feed_forward(at)});
  return layer;
}

// Full layers first, then those with a window, as DecoderSpec::window_rope says.
std::vector<Rope> read_ropes(const ConfigReader& config, int head_dim) {
  const std::optional<ConfigReader> both = config.object("rope_parameters");
  if (both && !both->keys().empty() && !both->has("full_attention") && !both->has("sliding_attention")) {
    throw Error("{}: 'rope_parameters' has no 'full_attention'; expected full_attention and sliding_attention",
                config.origin());
  }
  const std::optional<ConfigReader> older = config.object("rope_scaling");  // of full layers, where its keys win
  const auto rope_of = [&](std::string_view kind, std::string_view theta_key, double fallback) {
    const std::optional<ConfigReader> own = both ? both->object(kind) : std::nullopt;
    std::optional<ConfigReader> scaling = own;
    if (older && kind == "full_attention") scaling = own ? older->with_defaults(*own) : older;
    double theta = config.positive(theta_key, fallback);
    if (own) theta = own->number("rope_theta", theta);
    return make_rope(config, scaling, scaling ? scaling->number("rope_theta", theta) : theta, head_dim);
  };
  return {rope_of("full_attention", "rope_theta", 1e6), rope_of("sliding_attention", "rope_local_base_freq", 1e4)};
}

}  // namespace

DecoderSpec read_gemma3(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config, {.head_dim = 256, .tied = true, .own_rope = true});
  spec.ropes = read_ropes(config, spec.attention.head_dim);
  if (!config.has("hidden_activation")) spec.activation = Activation::gelu_tanh;
  spec.zero_centred = spec.attention.zero_centred = true;
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.window_rope = 1;
  AttentionSpec& attention = spec.attention;
  attention.qk_norm = AttentionSpec::QkNorm::of_heads;
  attention.qkv_bias = attention.output_bias = config.boolean("attention_bias", false);
  attention.scale = 1 / std::sqrt(static_cast<float>(config.positive("query_pre_attn_scalar", 256)));
  read_windows(config, spec);
  if (config.has("final_logit_softcapping")) {
    spec.logit_softcap = static_cast<float>(config.positive("final_logit_softcapping", 0));
  }
  if (config.has("use_bidirectional_attention") && !config.is_false("use_bidirectional_attention")) {
    throw Error("{}: 'use_bidirectional_attention' is set; expected a model that reads from left to right",
                config.origin());
  }
  spec.load_layer = load_layer;
  return spec;
}

}  // namespace specdec

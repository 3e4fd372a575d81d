#include "core/blocks/gemma.h"

#include <cmath>

#include "core/error.h"
#include "core/inventory.h"

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
  const double theta = config.number("rope_theta", 1e6);
  const double local = config.number("rope_local_base_freq", 1e4);
  if (const std::optional<ConfigReader> both = config.object("rope_parameters")) {
    const auto of = [&](std::string_view kind, double fallback) {
      const std::optional<ConfigReader> own = both->object(kind);
      if (!own)
        throw Error("{}: 'rope_parameters' has no '{}'; expected full_attention and sliding_attention", config.origin(),
                    kind);
      return make_rope(config, own, own->number("rope_theta", fallback), head_dim);
    };
    return {of("full_attention", theta), of("sliding_attention", local)};
  }
  return {make_rope(config, config.object("rope_scaling"), theta, head_dim), make_rope(config, {}, local, head_dim)};
}

}  // namespace

ConfigReader gemma3_text(const ConfigReader& config) {
  constexpr std::string_view kDefaults = R"({"vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4,
    "model_type": "gemma3_text", "head_dim": 256, "max_position_embeddings": 131072})";
  return text_part(config).with_defaults(kDefaults);
}

DecoderSpec read_gemma3(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config, {.head_dim = 256, .tied = true});
  spec.ropes = read_ropes(config, spec.attention.head_dim);
  if (!config.has("hidden_activation")) spec.activation = Activation::gelu_tanh;
  spec.zero_centred = spec.attention.zero_centred = true;
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.window_rope = 1;
  AttentionSpec& attention = spec.attention;
  attention.qk_norm = AttentionSpec::QkNorm::of_heads;
  attention.qkv_bias = attention.output_bias = config.boolean("attention_bias", false);
  attention.scale = 1 / std::sqrt(static_cast<float>(config.number("query_pre_attn_scalar", 256)));
  read_windows(config, spec);
  spec.logit_softcap = static_cast<float>(config.number("final_logit_softcapping", 0));
  if (config.has("use_bidirectional_attention") && !config.is_false("use_bidirectional_attention")) {
    throw Error("{}: 'use_bidirectional_attention' is set; expected a model that reads from left to right",
                config.origin());
  }
  spec.load_layer = load_layer;
  return spec;
}

}  // namespace specdec

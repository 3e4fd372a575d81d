#include "core/blocks/qwen_hybrid.h"

#include <algorithm>

#include "core/blocks/delta_net.h"
#include "core/error.h"
#include "core/hybrid_shapes.h"
#include "core/inventory.h"

namespace specdec {
namespace {

DeltaNetSpec read_delta_net(const ConfigReader& config, const QwenHybridShape& shape, DeltaLayout layout, float eps) {
  const DeltaNetSpec spec{.key_heads = shape.key_heads,
                          .value_heads = shape.value_heads,
                          .key_dim = shape.key_dim,
                          .value_dim = shape.value_dim,
                          .taps = shape.taps,
                          .by_key_head = layout == DeltaLayout::by_key_head,
                          .eps = eps};
  if (spec.value_heads % spec.key_heads != 0) {
    throw Error("{}: 'linear_num_value_heads' is {}; expected a multiple of the {} of 'linear_num_key_heads'",
                config.origin(), spec.value_heads, spec.key_heads);
  }
  return spec;
}

// MLX adds the 1 to norms where it turns convolutions.
bool was_converted_by_mlx(const WeightFile& file) {
  return std::ranges::any_of(file.tensors(), [](const auto& named) { return is_mlx_convolution(*named.second); });
}

DecoderLayer load_mtp_layer(const LayerFile& at) {
  LayerFile layer = at;
  layer.path += ".layers.0";
  return load_decoder_layer(layer);
}

}  // namespace

DecoderSpec read_qwen_hybrid(const ConfigReader& outer, DeltaLayout layout) {
  const ConfigReader config = text_part(outer);
  const QwenHybridShape shape = read_qwen_hybrid_shape(config);
  DecoderSpec spec = read_decoder(
      config,
      {.partial_rotary_factor = 0.25, .head_dim = shape.head_dim, .tied = outer.boolean("tie_word_embeddings", false)});
  if (spec.activation != Activation::silu) {
    throw Error("{}: 'hidden_act' is '{}'; expected silu", config.origin(), config.text("hidden_act", ""));
  }
  AttentionSpec& attention = spec.attention;
  spec.zero_centred = attention.zero_centred = true;
  attention.gated = true;
  attention.qk_norm = AttentionSpec::QkNorm::of_heads;
  attention.qkv_bias = attention.output_bias = config.boolean("attention_bias", false);
  if (outer.has("text_config")) spec.names.root = "model.language_model";
  spec.names.ignored = {"model.visual."};
  spec.other_names = {{.root = "language_model.model",
                       .head = "language_model.lm_head",
                       .ignored = {"vision_tower.", "model.visual."}}};  // MLX's
  spec.holds_whole_norms = was_converted_by_mlx;
  read_mtp_layers(config, spec, mtp_key(outer));
  spec.mtp = {.root = "mtp",
              .embedding_norm = "mtp.pre_fc_norm_embedding",
              .hidden_norm = "mtp.pre_fc_norm_hidden",
              .join = "mtp.fc",
              .norm = "mtp.norm",
              .load_layer = load_mtp_layer};
  spec.load_layer = [delta = read_delta_net(config, shape, layout, spec.eps),
                     full = full_attention_layers(config, spec.info.layers)](const LayerFile& at) {
    if (full[static_cast<std::size_t>(at.layer)]) return load_decoder_layer(at);
    return load_decoder_layer(at, [&](const LayerFile& in) {
      return std::make_unique<DeltaNet>(in.file, in.path + ".linear_attn", delta, in.spec.hidden);
    });
  };
  return spec;
}

void read_qwen_experts(const ConfigReader& config, DecoderSpec& spec) {
  const QwenHybridShape shape = read_qwen_hybrid_shape(config);
  spec.moe.names.shared = "shared_expert";
  spec.moe.shared_gate = true;
  read_experts(config, shape.experts_key, spec);
  spec.moe.shared_width = shape.shared_width;
  spec.info.shared_experts = spec.moe.shared_width > 0 ? 1 : 0;
}

}  // namespace specdec

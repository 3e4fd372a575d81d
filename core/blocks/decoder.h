// The decoder that all architectures share: an embedding, layers of blocks over a residual stream, a final norm and a
// head. An architecture says how its config.json is read and what its layers are made of.
#pragma once

#include <functional>

#include "core/arch.h"
#include "core/blocks/attention.h"
#include "core/blocks/ffn.h"

namespace specdec {

// x += post_norm(block(norm(x))).
struct Sublayer {
  std::vector<float> norm, post_norm;  // post_norm empty: none
  std::unique_ptr<Block> block;
};

struct DecoderLayer {
  std::vector<Sublayer> sublayers;
};

// Where the tensors of a layer are.
struct LayerFile {
  WeightFile& file;
  ExpertStore& experts;
  const DecoderSpec& spec;
  int layer;         // its number in the router trace, and to the store
  std::string path;  // "model.layers.0"
  bool routed;       // whether it has a mixture of experts, where that is a choice
  const Engine& engine;
};

// What checkpoints call the parts outside of layers.
struct DecoderNames {
  std::string root = "model", embedding = "embed_tokens", layers = "layers", norm = "norm", head = "lm_head",
              feed_forward = "mlp";
  // Parts of names that belong to what is left out, such as a vision tower.
  std::vector<std::string> ignored;
};

std::vector<float> load_norm(const LayerFile& at, const std::string& name);  // `path`.`name`.weight, (hidden)
std::unique_ptr<Block> load_attention(const LayerFile& at);                  // `path`.self_attn
std::unique_ptr<Block> load_feed_forward(const LayerFile& at);               // a mixture if it is routed, else dense
// Attention, then a feed-forward block, each behind a norm: input_layernorm, self_attn, post_attention_layernorm, mlp.
DecoderLayer load_decoder_layer(
    const LayerFile& at, const std::function<std::unique_ptr<Block>(const LayerFile&)>& attention = load_attention);

// A multi-token-prediction head beside the layers, by the paths of its tensors.
struct MtpSpec {
  std::string root;  // of all of them
  std::string embedding_norm, hidden_norm, join, norm;
  std::function<DecoderLayer(const LayerFile& at)> load_layer;  // its layers as one, below `root`
  int layers = 1;                                               // that it is stored as: `root`.layers.0, 1, …
};

struct DecoderSpec {
  ModelInfo info;
  AttentionSpec attention;     // of a layer that sees all positions
  std::vector<bool> windowed;  // per layer: whether it sees the last `window` positions only; empty: none does
  int window = 0;
  int window_rope = 0;  // of such layers
  std::vector<Rope> ropes;
  int hidden = 0;
  int intermediate = 0;  // width of a dense layer
  bool mlp_bias = false;
  Activation activation = Activation::silu;  // of dense layers
  float eps = 1e-6f;
  float embedding_scale = 1;
  bool zero_centred = false;  // norms multiply by 1 + their weights
  bool tied = false;          // the head is the embedding
  std::vector<bool> routed;   // per layer: mixture of experts instead of dense
  MoeSpec moe;
  DecoderNames names;
  std::vector<DecoderNames> other_names;  // that checkpoints may have instead
  // Whether norms hold what they multiply by although the architecture is zero-centred; none: they never do.
  std::function<bool(const WeightFile&)> holds_whole_norms;
  HeadReading mtp_reading;   // of the MTP layer, unless another is asked for
  std::string_view mtp_key;  // where config.json says how many MTP layers there are; empty: it does not say
  float logit_softcap = 0;   // logits become cap * tanh(logits / cap); 0: they stay
  std::function<DecoderLayer(const LayerFile& at)> load_layer = [](const LayerFile& at) {
    return load_decoder_layer(at);
  };
  std::optional<MtpSpec> mtp;  // none: as DeepSeek-V3 stores it

  AttentionSpec attention_of(int layer) const;
};

// What transformers takes for keys that a config.json leaves out.
struct DecoderDefaults {
  double partial_rotary_factor = 0;  // 0: heads rotate as a whole, whatever the key says
  double rms_norm_eps = 1e-6;
  int head_dim = 0;  // 0 = hidden_size / num_attention_heads
  bool tied = false;
  double rope_theta = 10000;
  int layers = 0;         // where a list says how many there are; 0: num_hidden_layers
  bool own_rope = false;  // the caller says how positions are told, and how much of a head rotates
};

// The keys that most architectures spell alike. The caller adds what is its own.
DecoderSpec read_decoder(const ConfigReader& config, const DecoderDefaults& defaults = {});

// For architectures whose layers all see all positions: windows that a config gives them are ignored, as transformers
// does. Throws Error if it has layers of another kind.
void expect_full_attention(const ConfigReader& config);
void read_windows(const ConfigReader& config, DecoderSpec& spec);  // as core/windows.h

// experts_key, num_experts_per_tok, moe_intermediate_size (or width_key); the shared expert's width from
// info.shared_experts.
void read_experts(const ConfigReader& config, std::string_view experts_key, DecoderSpec& spec,
                  std::string_view width_key = "moe_intermediate_size");

float read_eps(const ConfigReader& config, std::string_view key, double fallback);
void read_mtp_layers(const ConfigReader& config, DecoderSpec& spec, std::string_view key);

std::unique_ptr<Model> make_decoder(DecoderSpec spec, WeightFile file, Engine& engine);

// The table entry of an architecture that is nothing but a way to read a DecoderSpec.
template <DecoderSpec (*read)(const ConfigReader&)>
Architecture decoder_architecture(std::string_view name, std::string_view summary) {
  return {name, summary, [](const ConfigReader& config) { return read(config).info; },
          [](const ConfigReader& config, WeightFile file, ModelInfo info, Engine& engine) {
            DecoderSpec spec = read(config);
            spec.info = std::move(info);
            return make_decoder(std::move(spec), std::move(file), engine);
          }};
}

}  // namespace specdec

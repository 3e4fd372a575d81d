// The decoder that llama, qwen and glm share: pre-norm layers of attention and feed-forward, a final norm and a head.
#pragma once

#include "core/arch.h"
#include "core/blocks/attention.h"
#include "core/blocks/ffn.h"

namespace specdec {

struct DecoderSpec {
  ModelInfo info;
  AttentionSpec attention;
  int hidden = 0;
  int intermediate = 0;  // width of a dense layer
  bool mlp_bias = false;
  float eps = 1e-6f;
  bool tied = false;         // the head is the embedding
  std::vector<bool> routed;  // per layer: mixture of experts instead of dense
  MoeSpec moe;
};

// What transformers takes for keys that a config.json leaves out.
struct DecoderDefaults {
  double partial_rotary_factor = 1;
  double rms_norm_eps = 1e-6;
  int head_dim = 0;  // 0 = hidden_size / num_attention_heads
};

// The keys that all of these architectures spell alike. The caller adds what is its own.
DecoderSpec read_decoder(const ConfigReader& config, const DecoderDefaults& defaults = {});

// experts_key, num_experts_per_tok, moe_intermediate_size; the shared expert's width from info.shared_experts.
void read_experts(const ConfigReader& config, std::string_view experts_key, DecoderSpec& spec);

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

// gpt-oss (arXiv 2508.10925): sinks, a sliding window in every other layer, biases everywhere, clamped SwiGLU with
// gates and ups alternating. transformers: models/gpt_oss.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

constexpr double kTheta = 150000;

// What the class takes where config.json is silent.
constexpr std::string_view kYarn = R"({"rope_parameters": {"rope_type": "yarn", "factor": 32, "beta_fast": 32,
  "beta_slow": 1, "truncate": false, "original_max_position_embeddings": 4096}})";

DecoderSpec read(const ConfigReader& given) {
  const ConfigReader config = given.with_defaults(kYarn);
  DecoderSpec spec = read_decoder(config, {.rms_norm_eps = 1e-5, .head_dim = 64, .rope_theta = kTheta});
  spec.attention.qkv_bias = spec.attention.output_bias = config.boolean("attention_bias", true);
  spec.attention.sinks = true;
  read_windows(config, spec);
  MoeSpec& moe = spec.moe;
  moe.names.router = "router";
  read_experts(config, config.first_of({"num_local_experts", "num_experts"}), spec, "intermediate_size");
  moe.router_bias = moe.expert_bias = moe.alternating = true;
  moe.activation = Activation::clamped;
  moe.limit = static_cast<float>(config.positive("swiglu_limit", 7));
  moe.alpha = static_cast<float>(config.number("swiglu_alpha", 1.702));
  spec.routed.assign(spec.routed.size(), true);
  return spec;
}

}  // namespace

Architecture arch_gpt_oss() { return decoder_architecture<read>("gpt_oss", "gpt-oss, mixture of experts"); }

}  // namespace specdec

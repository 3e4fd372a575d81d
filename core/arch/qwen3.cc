// Qwen3, dense: a norm over each head of q and k. transformers: models/qwen3.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config, {.head_dim = 128});
  spec.attention.qkv_bias = spec.attention.output_bias = config.boolean("attention_bias", false);
  spec.attention.qk_norm = AttentionSpec::QkNorm::of_heads;
  read_windows(config, spec);
  return spec;
}

}  // namespace

Architecture arch_qwen3() { return decoder_architecture<read>("qwen3", "Qwen3, dense"); }

}  // namespace specdec

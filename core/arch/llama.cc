// Llama 2, 3 and what shares their layout. transformers: models/llama.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config);
  expect_full_attention(config);
  spec.attention.qkv_bias = spec.attention.output_bias = config.boolean("attention_bias", false);
  spec.mlp_bias = config.boolean("mlp_bias", false);
  return spec;
}

}  // namespace

Architecture arch_llama() { return decoder_architecture<read>("llama", "Llama 2 and 3, dense"); }

}  // namespace specdec

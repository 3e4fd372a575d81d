// Qwen2 and Qwen2.5, dense: biases on q, k and v. transformers: models/qwen2.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config);
  spec.attention.qkv_bias = true;
  read_windows(config, spec);
  return spec;
}

}  // namespace

Architecture arch_qwen2() { return decoder_architecture<read>("qwen2", "Qwen2 and Qwen2.5, dense"); }

}  // namespace specdec

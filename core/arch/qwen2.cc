// Qwen2 and Qwen2.5, dense: biases on q, k and v. transformers: models/qwen2.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config);
  spec.attention.qkv_bias = true;
  const bool windows = config.boolean("use_sliding_window", false);
  const int first = config.count("max_window_layers", 28);
  read_windows(config, spec, [&](int layer) { return windows && layer >= first; });
  return spec;
}

}  // namespace

Architecture arch_qwen2() { return decoder_architecture<read>("qwen2", "Qwen2 and Qwen2.5, dense"); }

}  // namespace specdec

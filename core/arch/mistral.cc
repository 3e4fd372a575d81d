// Mistral: Llama's layers, all with one sliding window if there is one (arXiv 2310.06825). transformers:
// models/mistral.
#include <algorithm>

#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config);
  constexpr int kWindow = 4096;
  const std::vector<std::string> keys = config.keys();
  const bool says_none = std::ranges::find(keys, "sliding_window") != keys.end() && !config.has("sliding_window");
  if (!says_none) spec.attention.window = config.count("sliding_window", kWindow);
  return spec;
}

}  // namespace

Architecture arch_mistral() { return decoder_architecture<read>("mistral", "Mistral, dense"); }

}  // namespace specdec

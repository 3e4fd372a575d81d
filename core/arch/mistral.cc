// Mistral: Llama's layers, all with one sliding window if there is one (arXiv 2310.06825). transformers:
// models/mistral.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config);
  read_windows(config, spec);
  return spec;
}

}  // namespace

Architecture arch_mistral() { return decoder_architecture<read>("mistral", "Mistral, dense"); }

}  // namespace specdec

// Gemma 3 with a vision tower, which is left out. transformers: models/gemma3.
#include "core/blocks/gemma.h"
#include "core/inventory.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_gemma3(gemma3_text(config));
  const std::vector<std::string> ignored{"vision_tower.", "multi_modal_projector."};
  spec.names = {.root = "language_model.model", .head = "language_model.lm_head", .ignored = ignored};
  spec.other_names = {{.root = "model.language_model", .ignored = ignored}};
  spec.logit_softcap = 0;  // the class with vision does without
  return spec;
}

}  // namespace

Architecture arch_gemma3() { return decoder_architecture<read>("gemma3", "Gemma 3 with vision: its text model"); }

}  // namespace specdec

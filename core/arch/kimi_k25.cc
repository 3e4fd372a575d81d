// Kimi K2.5: Kimi K2 inside a model of images, whose tower is left out. transformers: models/kimi_k25.
#include "core/blocks/latent_decoder.h"
#include "core/inventory.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_latent_decoder(text_part(config), {});
  if (!config.has("text_config")) return spec;
  spec.names.root = "language_model.model";
  spec.names.head = "language_model.lm_head";
  spec.names.ignored = {"vision_tower.", "mm_projector."};
  // What transformers saves: its own names, or the published ones with the layers called as those of the tower.
  spec.other_names = {{.root = "model.language_model", .ignored = spec.names.ignored}, spec.names};
  spec.other_names[1].layers = "blocks";
  spec.tied = config.boolean("tie_word_embeddings", true);
  return spec;
}

}  // namespace

Architecture arch_kimi_k25() {
  return decoder_architecture<read>("kimi_k25", "Kimi K2.5, the text model: latent attention, mixture of experts");
}

}  // namespace specdec

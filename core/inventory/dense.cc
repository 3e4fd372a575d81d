// Dense decoders of grouped-query attention. transformers: models/llama, mistral, qwen2, qwen3, gemma3.
#include <fmt/format.h>

#include "core/inventory.h"

namespace specdec {
namespace {

Inventory take(const ConfigReader& outer) {
  const std::string type = outer.text("model_type", "");
  const bool gemma = type.starts_with("gemma3");
  const bool inside = type == "gemma3";
  const ConfigReader config = inside ? gemma3_text(outer) : outer;
  const std::string root = inside ? "language_model.model" : "model";
  Inventory inventory = begin_inventory(config, gemma);
  GqaShape gqa = read_gqa(config, type == "qwen3" ? 128 : gemma ? 256 : 0);
  gqa.qkv_bias = type == "qwen2" || config.boolean("attention_bias", false);
  gqa.output_bias = type != "qwen2" && config.boolean("attention_bias", false);
  gqa.qk_norm = type == "qwen3" || gemma;
  const bool mlp_bias = config.boolean("mlp_bias", false);
  const std::vector<bool> windowed = windowed_layers(config, inventory);
  const std::int64_t width = size_of(config, "intermediate_size");

  if (inside) inventory.notes.emplace_back("the vision tower and its projector are not counted");
  add_embedding_and_head(inventory, root + ".embed_tokens", inside ? "language_model.lm_head" : "lm_head");
  for (int layer = 0; layer < inventory.layers; ++layer) {
    const std::string path = fmt::format("{}.layers.{}", root, layer);
    add(inventory, path + ".input_layernorm.weight", {inventory.hidden});
    add(inventory, path + ".post_attention_layernorm.weight", {inventory.hidden});
    if (gemma) {
      add(inventory, path + ".pre_feedforward_layernorm.weight", {inventory.hidden});
      add(inventory, path + ".post_feedforward_layernorm.weight", {inventory.hidden});
    }
    add_gqa(inventory, path + ".self_attn", gqa,
            windowed[static_cast<std::size_t>(layer)] ? Keeps::window : Keeps::all);
    add_swiglu(inventory, path + ".mlp", width, mlp_bias);
  }
  add(inventory, root + ".norm.weight", {inventory.hidden});
  return inventory;
}

}  // namespace

InventoryKind inventory_dense() {
  return {"dense",
          "dense decoders of grouped-query attention",
          {"llama", "mistral", "qwen2", "qwen3", "gemma3_text", "gemma3"},
          take};
}

}  // namespace specdec

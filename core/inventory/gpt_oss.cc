// gpt-oss: biases everywhere, sinks, experts whose gate and up rows lie between one another. transformers:
// models/gpt_oss.
#include <fmt/format.h>

#include "core/inventory.h"

namespace specdec {
namespace {

Inventory take(const ConfigReader& config) {
  Inventory inventory = begin_inventory(config);
  read_experts(config, inventory, config.first_of({"num_local_experts", "num_experts"}));
  GqaShape gqa = read_gqa(config, 64);
  gqa.qkv_bias = gqa.output_bias = config.boolean("attention_bias", true);
  const std::int64_t width = size_of(config, "intermediate_size");
  const std::int64_t experts = inventory.experts;
  const std::vector<bool> windowed = windowed_layers(config, inventory);

  add_embedding_and_head(inventory, "model.embed_tokens");
  for (int layer = 0; layer < inventory.layers; ++layer) {
    const std::string path = fmt::format("model.layers.{}", layer);
    add(inventory, path + ".input_layernorm.weight", {inventory.hidden});
    add(inventory, path + ".post_attention_layernorm.weight", {inventory.hidden});
    add_gqa(inventory, path + ".self_attn", gqa,
            windowed[static_cast<std::size_t>(layer)] ? Keeps::window : Keeps::all);
    add(inventory, path + ".self_attn.sinks", {gqa.heads});
    add(inventory, path + ".mlp.router.weight", {experts, inventory.hidden});
    add(inventory, path + ".mlp.router.bias", {experts});
    // As the MXFP4 files order them, the input last.
    add(inventory, path + ".mlp.experts.gate_up_proj", {experts, 2 * width, inventory.hidden});
    add(inventory, path + ".mlp.experts.gate_up_proj_bias", {experts, 2 * width});
    add(inventory, path + ".mlp.experts.down_proj", {experts, inventory.hidden, width});
    add(inventory, path + ".mlp.experts.down_proj_bias", {experts, inventory.hidden});
  }
  add(inventory, "model.norm.weight", {inventory.hidden});
  return inventory;
}

}  // namespace

InventoryKind inventory_gpt_oss() { return {"gpt_oss", "gpt-oss", {"gpt_oss"}, take}; }

}  // namespace specdec

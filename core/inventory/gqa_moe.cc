// Mixtures of experts with grouped-query attention, and GLM-4.5's layer for several tokens. transformers:
// models/qwen3_moe, glm4_moe, mixtral, olmoe.
#include <fmt/format.h>

#include "core/inventory.h"
#include "core/layer_kinds.h"

namespace specdec {
namespace {

struct Layout {
  GqaShape gqa;
  std::string block = ".mlp";  // of the router and the experts
  bool correction = false;     // of the router
  std::int64_t width = 0, shared = 0, dense = 0;
};

void add_experts(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::string block = path + layout.block;
  add(inventory, block + ".gate.weight", {inventory.experts, inventory.hidden});
  if (layout.correction) add(inventory, block + ".gate.e_score_correction_bias", {inventory.experts});
  if (layout.block == ".mlp") {
    add_swiglu(inventory, block + ".experts.*", layout.width);
  } else {
    for (const char* name : {"w1", "w3"}) {
      add(inventory, fmt::format("{}.experts.*.{}.weight", block, name), {layout.width, inventory.hidden},
          inventory.experts);
    }
    add(inventory, block + ".experts.*.w2.weight", {inventory.hidden, layout.width}, inventory.experts);
  }
  if (layout.shared > 0) add_swiglu(inventory, block + ".shared_experts", layout.shared);
}

void add_layer(Inventory& inventory, const std::string& path, const Layout& layout, bool routed, Keeps keeps) {
  add(inventory, path + ".input_layernorm.weight", {inventory.hidden});
  add(inventory, path + ".post_attention_layernorm.weight", {inventory.hidden});
  add_gqa(inventory, path + ".self_attn", layout.gqa, keeps);
  if (routed) {
    add_experts(inventory, path, layout);
  } else {
    add_swiglu(inventory, path + ".mlp", layout.dense);
  }
}

Inventory take(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  Inventory inventory = begin_inventory(config);
  read_experts(config, inventory, config.first_of({"n_routed_experts", "num_experts", "num_local_experts"}));
  const bool glm = type == "glm4_moe";
  const bool olmoe = type == "olmoe";
  Layout layout{.gqa = read_gqa(config)};
  layout.gqa.qkv_bias = config.boolean("attention_bias", false);
  layout.gqa.output_bias = !glm && layout.gqa.qkv_bias;
  layout.gqa.qk_norm = type == "qwen3_moe" || config.boolean("use_qk_norm", false);
  if (type == "mixtral") layout.block = ".block_sparse_moe";
  layout.correction = glm;
  layout.width = size_of(config, glm || type == "qwen3_moe" ? "moe_intermediate_size" : "intermediate_size");
  layout.dense = size_of(config, "intermediate_size", 0);
  if (glm) layout.shared = layout.width * config.count("n_shared_experts", 1);

  std::vector<bool> routed(static_cast<std::size_t>(inventory.layers), true);
  if (glm) routed = glm_routed_layers(config, inventory.layers);
  if (type == "qwen3_moe") routed = qwen_routed_layers(config, inventory.layers);
  const std::vector<bool> windowed = windowed_layers(config, inventory);

  add_embedding_and_head(inventory, "model.embed_tokens");
  for (int layer = 0; layer < inventory.layers; ++layer) {
    const std::string path = fmt::format("model.layers.{}", layer);
    const auto i = static_cast<std::size_t>(layer);
    add_layer(inventory, path, layout, routed[i], windowed[i] ? Keeps::window : Keeps::all);
    if (olmoe) {  // over all heads at once
      add(inventory, path + ".self_attn.q_norm.weight", {layout.gqa.heads * layout.gqa.head_dim});
      add(inventory, path + ".self_attn.k_norm.weight", {layout.gqa.kv_heads * layout.gqa.head_dim});
    }
  }
  add(inventory, "model.norm.weight", {inventory.hidden});
  const int mtp_layers = glm ? count_mtp_layers(config, mtp_key(config)) : 0;
  for (int m = 0; m < mtp_layers; ++m) {
    const std::string path = fmt::format("model.layers.{}", inventory.layers + m);
    add_layer(inventory, path, layout, true, Keeps::nothing);
    add_deepseek_mtp(inventory, path);
  }
  return inventory;
}

}  // namespace

InventoryKind inventory_gqa_moe() {
  return {"gqa_moe",
          "mixtures of experts with grouped-query attention",
          {"qwen3_moe", "glm4_moe", "mixtral", "olmoe"},
          take};
}

}  // namespace specdec

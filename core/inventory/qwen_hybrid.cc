// Gated DeltaNet (arXiv 2412.06464) and gated attention with experts. transformers: models/qwen3_next, qwen3_5_moe.
#include "core/hybrid_shapes.h"
#include "core/inventory.h"

namespace specdec {
namespace {

struct Layout {
  GqaShape gqa;
  QwenHybridShape shape;
  std::int64_t width = 0, dense = 0;
  bool flat = false;  // Qwen3.5: projections of their own where Qwen3-Next has two that are grouped by head

  std::int64_t keys() const { return std::int64_t{shape.key_heads} * shape.key_dim; }
  std::int64_t values() const { return std::int64_t{shape.value_heads} * shape.value_dim; }
  std::int64_t convolved() const { return 2 * keys() + values(); }
};

void add_delta_net(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::int64_t hidden = inventory.hidden;
  if (layout.flat) {
    add(inventory, path + ".in_proj_qkv.weight", {layout.convolved(), hidden});
    add(inventory, path + ".in_proj_z.weight", {layout.values(), hidden});
    add(inventory, path + ".in_proj_b.weight", {layout.shape.value_heads, hidden});
    add(inventory, path + ".in_proj_a.weight", {layout.shape.value_heads, hidden});
  } else {
    add(inventory, path + ".in_proj_qkvz.weight", {layout.convolved() + layout.values(), hidden});
    add(inventory, path + ".in_proj_ba.weight", {2 * layout.shape.value_heads, hidden});
  }
  add(inventory, path + ".conv1d.weight", {layout.convolved(), 1, layout.shape.taps});
  add(inventory, path + ".dt_bias", {layout.shape.value_heads});
  add(inventory, path + ".A_log", {layout.shape.value_heads});
  add(inventory, path + ".norm.weight", {layout.shape.value_dim});
  add(inventory, path + ".out_proj.weight", {hidden, layout.values()});
  inventory.cache.states +=
      product(inventory, {layout.shape.value_heads, layout.shape.key_dim, layout.shape.value_dim});
  inventory.cache.tails += product(inventory, {layout.convolved(), layout.shape.taps - 1});
}

enum class ExpertNames { apart, fused };

void add_feed_forward(Inventory& inventory, const std::string& path, const Layout& layout, bool routed,
                      ExpertNames names) {
  if (!routed) return add_swiglu(inventory, path, layout.dense);
  const std::int64_t experts = inventory.experts;
  add(inventory, path + ".gate.weight", {experts, inventory.hidden});
  if (names == ExpertNames::fused) {
    add(inventory, path + ".experts.gate_up_proj", {experts, 2 * layout.width, inventory.hidden});
    add(inventory, path + ".experts.down_proj", {experts, inventory.hidden, layout.width});
  } else {
    add_swiglu(inventory, path + ".experts.*", layout.width);
  }
  if (layout.shape.shared_width == 0) return;
  add_swiglu(inventory, path + ".shared_expert", layout.shape.shared_width);
  add(inventory, path + ".shared_expert_gate.weight", {1, inventory.hidden});
}

void add_norms(Inventory& inventory, const std::string& path) {
  add(inventory, path + ".input_layernorm.weight", {inventory.hidden});
  add(inventory, path + ".post_attention_layernorm.weight", {inventory.hidden});
}

void add_mtp(Inventory& inventory, const Layout& layout, int layers) {
  if (layers == 0) return;
  inventory.mtp_head_layers = 1;
  const std::int64_t hidden = inventory.hidden;
  add(inventory, "mtp.fc.weight", {hidden, 2 * hidden});
  for (const char* norm : {"pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"}) {
    add(inventory, fmt::format("mtp.{}.weight", norm), {hidden});
  }
  for (int layer = 0; layer < layers; ++layer) {
    const std::string path = fmt::format("mtp.layers.{}", layer);
    add_norms(inventory, path);
    add_gqa(inventory, path + ".self_attn", layout.gqa, Keeps::nothing);
    add_feed_forward(inventory, path + ".mlp", layout, inventory.experts > 0, ExpertNames::apart);
  }
}

Inventory take(const ConfigReader& outer) {
  const ConfigReader config = text_part(outer);
  const std::string root = outer.has("text_config") ? "model.language_model" : "model";
  Inventory inventory = begin_inventory(config);
  if (outer.has("text_config")) inventory.notes.emplace_back("the vision tower is not counted");
  const QwenHybridShape shape = read_qwen_hybrid_shape(config);
  const bool has_experts = config.has(shape.experts_key);
  if (has_experts) read_experts(config, inventory, shape.experts_key);
  Layout layout{.gqa = read_gqa(config, shape.head_dim), .shape = shape};
  layout.gqa.qkv_bias = layout.gqa.output_bias = config.boolean("attention_bias", false);
  layout.gqa.qk_norm = true;
  layout.gqa.query_parts = 2;
  layout.flat = config.text("model_type", "") != "qwen3_next";
  layout.width = size_of(config, "moe_intermediate_size", 0);
  layout.dense = size_of(config, "intermediate_size", 0);

  std::vector<bool> routed(static_cast<std::size_t>(inventory.layers), has_experts);
  if (has_experts && !layout.flat) routed = qwen_routed_layers(config, inventory.layers);
  const std::vector<bool> full = full_attention_layers(config, inventory.layers);

  add_embedding_and_head(inventory, root + ".embed_tokens");
  for (int layer = 0; layer < inventory.layers; ++layer) {
    const std::string path = fmt::format("{}.layers.{}", root, layer);
    const auto i = static_cast<std::size_t>(layer);
    add_norms(inventory, path);
    if (full[i]) {
      add_gqa(inventory, path + ".self_attn", layout.gqa);
    } else {
      add_delta_net(inventory, path + ".linear_attn", layout);
    }
    add_feed_forward(inventory, path + ".mlp", layout, routed[i],
                     layout.flat ? ExpertNames::fused : ExpertNames::apart);
  }
  add(inventory, root + ".norm.weight", {inventory.hidden});
  add_mtp(inventory, layout, count_mtp_layers(config, mtp_key(outer)));
  return inventory;
}

}  // namespace

InventoryKind inventory_qwen_hybrid() {
  return {"qwen_hybrid",
          "Gated DeltaNet and gated attention with experts",
          {"qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"},
          take};
}

}  // namespace specdec

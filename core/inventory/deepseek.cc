// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434) with routed and shared experts, the indexer of
// DeepSeek-V3.2's sparse attention and the layer for several tokens of DeepSeek-V3. transformers: models/deepseek_v2,
// deepseek_v3, deepseek_v32, glm_moe_dsa, glm4_moe_lite, kimi_k25.
#include "core/error.h"
#include "core/inventory.h"
#include "core/layer_kinds.h"

namespace specdec {
namespace {

struct Layout {
  std::int64_t heads = 0, q_rank = 0, kv_rank = 0, nope = 0, rope = 0, value = 0;
  std::int64_t index_heads = 0, index_dim = 0;
  std::int64_t width = 0, shared = 0, dense = 0;
  bool bias = false, mlp_bias = false, correction = false;
};

void add_attention(Inventory& inventory, const std::string& path, const Layout& mla) {
  const std::int64_t hidden = inventory.hidden;
  const std::int64_t query = mla.heads * (mla.nope + mla.rope);
  if (mla.q_rank > 0) {
    add(inventory, path + ".q_a_proj.weight", {mla.q_rank, hidden});
    if (mla.bias) add(inventory, path + ".q_a_proj.bias", {mla.q_rank});
    add(inventory, path + ".q_a_layernorm.weight", {mla.q_rank});
    add(inventory, path + ".q_b_proj.weight", {query, mla.q_rank});
  } else {
    add(inventory, path + ".q_proj.weight", {query, hidden});
  }
  add(inventory, path + ".kv_a_proj_with_mqa.weight", {mla.kv_rank + mla.rope, hidden});
  if (mla.bias) add(inventory, path + ".kv_a_proj_with_mqa.bias", {mla.kv_rank + mla.rope});
  add(inventory, path + ".kv_a_layernorm.weight", {mla.kv_rank});
  add(inventory, path + ".kv_b_proj.weight", {mla.heads * (mla.nope + mla.value), mla.kv_rank});
  add(inventory, path + ".o_proj.weight", {hidden, mla.heads * mla.value});
  if (mla.bias) add(inventory, path + ".o_proj.bias", {hidden});
}

void add_indexer(Inventory& inventory, const std::string& path, const Layout& layout) {
  add(inventory, path + ".wq_b.weight", {layout.index_heads * layout.index_dim, layout.q_rank});
  add(inventory, path + ".wk.weight", {layout.index_dim, inventory.hidden});
  add(inventory, path + ".k_norm.weight", {layout.index_dim});
  add(inventory, path + ".k_norm.bias", {layout.index_dim});
  add(inventory, path + ".weights_proj.weight", {layout.index_heads, inventory.hidden});
}

void add_layer(Inventory& inventory, const std::string& path, const Layout& layout, bool routed, bool indexed) {
  add(inventory, path + ".input_layernorm.weight", {inventory.hidden});
  add(inventory, path + ".post_attention_layernorm.weight", {inventory.hidden});
  add_attention(inventory, path + ".self_attn", layout);
  if (indexed) add_indexer(inventory, path + ".self_attn.indexer", layout);
  if (!routed) return add_swiglu(inventory, path + ".mlp", layout.dense, layout.mlp_bias);
  add(inventory, path + ".mlp.gate.weight", {inventory.experts, inventory.hidden});
  if (layout.correction) add(inventory, path + ".mlp.gate.e_score_correction_bias", {inventory.experts});
  add_swiglu(inventory, path + ".mlp.experts.*", layout.width);
  if (layout.shared > 0) add_swiglu(inventory, path + ".mlp.shared_experts", layout.shared, layout.mlp_bias);
}

Inventory take(const ConfigReader& outer) {
  const ConfigReader config = text_part(outer);
  const bool inside = outer.has("text_config");
  const std::string root = inside ? "language_model.model" : "model";
  Inventory inventory = begin_inventory(config);
  if (inside) {
    inventory.notes.emplace_back("the vision tower and its projector are not counted");
    inventory.tied = outer.boolean("tie_word_embeddings", true);
  }
  read_experts(config, inventory, config.first_of({"n_routed_experts", "num_experts", "num_local_experts"}));

  Layout layout;
  layout.heads = size_of(config, "num_attention_heads");
  layout.q_rank = size_of(config, "q_lora_rank", 0);
  layout.kv_rank = size_of(config, "kv_lora_rank");
  layout.nope = size_of(config, "qk_nope_head_dim");
  layout.rope = size_of(config, "qk_rope_head_dim");
  layout.value = size_of(config, "v_head_dim");
  layout.bias = config.boolean("attention_bias", false);
  layout.width = size_of(config, "moe_intermediate_size");
  layout.shared = layout.width * deepseek_shared_experts(config);
  layout.mlp_bias = deepseek_mlp_bias(config);
  layout.dense = size_of(config, "intermediate_size");
  layout.correction = !is_deepseek_v2(config);
  const std::vector<bool> indexed = deepseek_indexed_layers(config, inventory.layers);
  const bool sparse = is_indexed(config);
  if (sparse) {
    layout.index_heads = size_of(config, "index_n_heads");
    layout.index_dim = size_of(config, "index_head_dim");
    if (layout.q_rank == 0) throw Error("{}: an indexer without 'q_lora_rank'; expected a size", config.origin());
  }
  const std::vector<bool> routed = deepseek_routed_layers(config, inventory.layers);

  add_embedding_and_head(inventory, root + ".embed_tokens", inside ? "language_model.lm_head" : "lm_head");
  for (int layer = 0; layer < inventory.layers; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    add_layer(inventory, fmt::format("{}.layers.{}", root, layer), layout, routed[i], indexed[i]);
    inventory.cache.per_position += product(inventory, {1, layout.kv_rank + layout.rope});
    if (indexed[i]) inventory.cache.index_keys += layout.index_dim;
  }
  add(inventory, root + ".norm.weight", {inventory.hidden});
  const int mtp_layers = count_mtp_layers(config, mtp_key(config));
  for (int m = 0; m < mtp_layers; ++m) {
    const std::string path = fmt::format("{}.layers.{}", root, inventory.layers + m);
    add_layer(inventory, path, layout, true, sparse);
    add_deepseek_mtp(inventory, path);
    if (config.text("model_type", "") != "glm_moe_dsa") add_mtp_copies(inventory, path);
  }
  return inventory;
}

}  // namespace

int deepseek_shared_experts(const ConfigReader& config) {
  return config.count("n_shared_experts", is_deepseek_v2(config) ? 2 : 1);
}

bool deepseek_mlp_bias(const ConfigReader& config) {
  return is_deepseek_v2(config) && config.boolean("mlp_bias", false);
}

InventoryKind inventory_deepseek() {
  return {"deepseek",
          "multi-head latent attention, routed and shared experts",
          {"deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_k25", "glm_moe_dsa", "glm4_moe_lite"},
          take};
}

}  // namespace specdec

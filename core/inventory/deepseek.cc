// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434) with routed and shared experts, the indexer of
// DeepSeek-V3.2's sparse attention and the layer for several tokens of DeepSeek-V3. transformers: models/deepseek_v2,
// deepseek_v3, deepseek_v32, glm_moe_dsa, glm4_moe_lite, kimi_k25.
#include <algorithm>

#include "core/error.h"
#include "core/inventory.h"

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
  const std::string type = config.text("model_type", "");
  Inventory inventory = begin_inventory(config);
  if (inside) inventory.notes.emplace_back("the vision tower and its projector are not counted");
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
  layout.mlp_bias = type == "deepseek_v2" && config.boolean("mlp_bias", false);
  layout.dense = size_of(config, "intermediate_size");
  layout.correction = config.text("scoring_func", type == "deepseek_v2" ? "softmax" : "sigmoid") == "sigmoid";
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
  const int mtp_layers = count_mtp_layers(config);
  for (int m = 0; m < mtp_layers; ++m) {
    const std::string path = fmt::format("{}.layers.{}", root, inventory.layers + m);
    add_layer(inventory, path, layout, true, sparse);
    add_deepseek_mtp(inventory, path);
    if (type != "glm_moe_dsa") add_mtp_copies(inventory, path);
  }
  return inventory;
}

}  // namespace

std::vector<bool> deepseek_routed_layers(const ConfigReader& config, int layers) {
  const std::string type = config.text("model_type", "");
  int first = config.count("first_k_dense_replace", type == "deepseek_v2" ? 0 : 3);
  if (type == "glm4_moe_lite") first = 1;  // whatever the key says
  return routed_layers(config, layers, [&](int layer) { return layer >= first; });
}

int deepseek_shared_experts(const ConfigReader& config) {
  return config.count("n_shared_experts", config.text("model_type", "") == "deepseek_v2" ? 2 : 1);
}

bool is_indexed(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  return type == "deepseek_v32" || type == "glm_moe_dsa";
}

std::vector<bool> deepseek_indexed_layers(const ConfigReader& config, int layers) {
  const auto count = static_cast<std::size_t>(layers);
  if (!is_indexed(config)) return std::vector<bool>(count, false);
  // The class of DeepSeek-V3.2 knows no sharing.
  if (config.text("model_type", "") == "deepseek_v32") return std::vector<bool>(count, true);
  std::vector<std::string> types = config.texts("indexer_types");
  if (types.empty()) types = config.letters("index_topk_pattern");
  if (!types.empty() && types.size() != count) {
    throw Error("{}: the schedule of the indexer lists {} layers of {}", config.origin(), types.size(), layers);
  }
  const int every = std::max(config.count("index_topk_freq", 1), 1);
  const int offset = config.count("index_skip_topk_offset", 2);
  std::vector<bool> indexed(count);
  for (int layer = 0; layer < layers; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    const std::string type = types.empty() ? "" : types[i];
    if (!types.empty() && type != "full" && type != "shared" && type != "F" && type != "S") {
      throw Error("{}: the schedule of the indexer has '{}'; expected full or shared", config.origin(), type);
    }
    indexed[i] = types.empty() ? std::max(layer - offset + 1, 0) % every == 0 : type == "full" || type == "F";
  }
  if (!indexed.front()) {
    throw Error("{}: by the schedule of the indexer layer 0 shares one; expected the first layer to have its own",
                config.origin());
  }
  return indexed;
}

InventoryKind inventory_deepseek() {
  return {"deepseek",
          "multi-head latent attention, routed and shared experts",
          {"deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_k25", "glm_moe_dsa", "glm4_moe_lite"},
          take};
}

}  // namespace specdec

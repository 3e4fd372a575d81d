// Nemotron-H: every layer one of Mamba2 (arXiv 2405.21060), attention, experts or a dense block. transformers:
// models/nemotron_h.
#include <algorithm>

#include "core/error.h"
#include "core/layer_kinds.h"
#include "core/inventory.h"

namespace specdec {
namespace {

struct Layout {
  GqaShape gqa;
  std::int64_t mamba_heads = 0, mamba_dim = 0, groups = 0, state = 0, kernel = 0;
  bool biased = false, mlp_biased = false, conv_bias = true;
  std::int64_t width = 0, shared = 0, latent = 0, dense = 0;

  std::int64_t inner() const { return mamba_heads * mamba_dim; }
  std::int64_t convolved() const { return inner() + 2 * groups * state; }
};

void add_map(Inventory& inventory, const std::string& path, std::int64_t out, std::int64_t in, bool biased) {
  add(inventory, path + ".weight", {out, in});
  if (biased) add(inventory, path + ".bias", {out});
}

void add_mamba(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::int64_t conv = layout.convolved();
  add_map(inventory, path + ".in_proj", layout.inner() + conv + layout.mamba_heads, inventory.hidden, layout.biased);
  add(inventory, path + ".conv1d.weight", {conv, 1, layout.kernel});
  if (layout.conv_bias) add(inventory, path + ".conv1d.bias", {conv});
  for (const char* name : {".A_log", ".D", ".dt_bias"}) add(inventory, path + name, {layout.mamba_heads});
  add(inventory, path + ".norm.weight", {layout.inner()});
  add_map(inventory, path + ".out_proj", inventory.hidden, layout.inner(), layout.biased);
}

void add_moe(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::int64_t hidden = inventory.hidden;
  const std::int64_t in = layout.latent > 0 ? layout.latent : hidden;
  add(inventory, path + ".gate.weight", {inventory.experts, hidden});
  add(inventory, path + ".gate.e_score_correction_bias", {inventory.experts});
  if (layout.latent > 0) {
    add_map(inventory, path + ".fc1_latent_proj", layout.latent, hidden, layout.mlp_biased);
    add_map(inventory, path + ".fc2_latent_proj", hidden, layout.latent, layout.mlp_biased);
  }
  add(inventory, path + ".experts.*.up_proj.weight", {layout.width, in}, inventory.experts);
  add(inventory, path + ".experts.*.down_proj.weight", {in, layout.width}, inventory.experts);
  if (layout.shared > 0) {
    add_map(inventory, path + ".shared_experts.up_proj", layout.shared, hidden, layout.mlp_biased);
    add_map(inventory, path + ".shared_experts.down_proj", hidden, layout.shared, layout.mlp_biased);
  }
}

void add_layer(Inventory& inventory, const std::string& path, const Layout& layout, HybridBlock block, Keeps keeps) {
  add(inventory, path + ".norm.weight", {inventory.hidden});
  const std::string mixer = path + ".mixer";
  switch (block) {
    case HybridBlock::mamba:
      return add_mamba(inventory, mixer, layout);
    case HybridBlock::attention:
      return add_gqa(inventory, mixer, layout.gqa, keeps);
    case HybridBlock::moe:
      return add_moe(inventory, mixer, layout);
    case HybridBlock::dense:
      add_map(inventory, mixer + ".up_proj", layout.dense, inventory.hidden, layout.mlp_biased);
      add_map(inventory, mixer + ".down_proj", inventory.hidden, layout.dense, layout.mlp_biased);
  }
}

Layout read_layout(const ConfigReader& config, bool routed) {
  Layout layout{.gqa = read_gqa(config, size_of(config, "attention_head_dim", 128))};
  layout.biased = config.boolean("use_bias", false);
  layout.mlp_biased = config.boolean("mlp_bias", false);
  layout.mamba_heads = size_of(config, "mamba_num_heads", 128);
  layout.mamba_dim = size_of(config, "mamba_head_dim", 64);
  layout.groups = size_of(config, config.first_of({"mamba_n_groups", "n_groups"}), 8);
  layout.state = size_of(config, "ssm_state_size", 128);
  layout.kernel = size_of(config, config.first_of({"mamba_d_conv", "conv_kernel"}), 4);
  layout.conv_bias = config.boolean(config.first_of({"mamba_conv_bias", "use_conv_bias"}), true);
  layout.dense = size_of(config, "intermediate_size", 0);
  if (!routed) return layout;
  layout.width = size_of(config, "moe_intermediate_size");
  layout.latent = size_of(config, "moe_latent_size", 0);
  layout.shared = size_of(config, "moe_shared_expert_intermediate_size");
  return layout;
}

Inventory take(const ConfigReader& config) {
  const std::vector<HybridBlock> blocks = nemotron_blocks(config);
  Inventory inventory = begin_inventory(config, false, static_cast<int>(blocks.size()));
  inventory.tied = false;
  const int mtp_layers = count_mtp_layers(config, mtp_key(config));
  const std::vector<HybridBlock> mtp_blocks = nemotron_mtp_blocks(config);
  const bool routed = std::ranges::find(blocks, HybridBlock::moe) != blocks.end() ||
                      (mtp_layers > 0 && std::ranges::find(mtp_blocks, HybridBlock::moe) != mtp_blocks.end());
  if (routed) read_experts(config, inventory, config.first_of({"n_routed_experts", "num_local_experts"}));
  const Layout layout = read_layout(config, routed);

  add_embedding_and_head(inventory, "backbone.embeddings");
  for (std::size_t layer = 0; layer < blocks.size(); ++layer) {
    add_layer(inventory, fmt::format("backbone.layers.{}", layer), layout, blocks[layer], Keeps::all);
    if (blocks[layer] != HybridBlock::mamba) continue;
    inventory.cache.states += product(inventory, {layout.inner(), layout.state});
    inventory.cache.tails += product(inventory, {layout.convolved(), layout.kernel - 1});
  }
  add(inventory, "backbone.norm_f.weight", {inventory.hidden});

  for (int m = 0; m < mtp_layers; ++m) {
    const std::size_t first = static_cast<std::size_t>(m) * mtp_blocks.size();
    for (std::size_t i = 0; i < mtp_blocks.size(); ++i) {
      add_layer(inventory, fmt::format("mtp.layers.{}", first + i), layout, mtp_blocks[i], Keeps::nothing);
    }
    const std::string path = fmt::format("mtp.layers.{}", first);
    add(inventory, path + ".enorm.weight", {inventory.hidden});
    add(inventory, path + ".hnorm.weight", {inventory.hidden});
    add(inventory, path + ".eh_proj.weight", {inventory.hidden, 2L * inventory.hidden});
    add(inventory, fmt::format("mtp.layers.{}.final_layernorm.weight", first + mtp_blocks.size() - 1),
        {inventory.hidden});
  }
  return inventory;
}

}  // namespace

InventoryKind inventory_nemotron_h() {
  return {"nemotron_h", "Mamba2, attention and experts in layers of their own", {"nemotron_h"}, take};
}

}  // namespace specdec

// Nemotron-H: every layer one of Mamba2 (arXiv 2405.21060), attention, experts or a dense block. transformers:
// models/nemotron_h.
#include "core/error.h"
#include "core/hybrid_shapes.h"
#include "core/inventory.h"

namespace specdec {
namespace {

struct Layout {
  GqaShape gqa;
  MambaShape mamba;
  bool mlp_biased = false;
  std::int64_t width = 0, shared = 0, latent = 0, dense = 0;

  std::int64_t inner() const { return std::int64_t{mamba.heads} * mamba.head_dim; }
  std::int64_t convolved() const { return inner() + 2L * mamba.groups * mamba.state; }
};

void add_map(Inventory& inventory, const std::string& path, std::int64_t out, std::int64_t in, bool biased) {
  add(inventory, path + ".weight", {out, in});
  if (biased) add(inventory, path + ".bias", {out});
}

void add_mamba(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::int64_t conv = layout.convolved();
  add_map(inventory, path + ".in_proj", layout.inner() + conv + layout.mamba.heads, inventory.hidden,
          layout.mamba.biased);
  add(inventory, path + ".conv1d.weight", {conv, 1, layout.mamba.taps});
  if (layout.mamba.conv_biased) add(inventory, path + ".conv1d.bias", {conv});
  for (const char* name : {".A_log", ".D", ".dt_bias"}) add(inventory, path + name, {layout.mamba.heads});
  add(inventory, path + ".norm.weight", {layout.inner()});
  add_map(inventory, path + ".out_proj", inventory.hidden, layout.inner(), layout.mamba.biased);
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

Layout read_layout(const ConfigReader& config, const NemotronShape& shape) {
  Layout layout{.gqa = read_gqa(config, shape.head_dim), .mamba = shape.mamba};
  layout.mlp_biased = shape.mlp_biased;
  layout.dense = size_of(config, "intermediate_size", 0);
  layout.latent = shape.latent;
  layout.shared = shape.shared_width;
  if (shape.has(HybridBlock::moe)) layout.width = size_of(config, "moe_intermediate_size");
  return layout;
}

Inventory take(const ConfigReader& config) {
  const NemotronShape shape = read_nemotron_shape(config);
  const std::vector<HybridBlock>& blocks = shape.blocks;
  const std::vector<HybridBlock>& mtp_blocks = shape.mtp_blocks;
  Inventory inventory = begin_inventory(config, false, static_cast<int>(blocks.size()));
  inventory.tied = NemotronShape::kTied;
  if (shape.has(HybridBlock::moe)) read_experts(config, inventory, shape.experts_key);
  const Layout layout = read_layout(config, shape);

  add_embedding_and_head(inventory, "backbone.embeddings");
  for (std::size_t layer = 0; layer < blocks.size(); ++layer) {
    add_layer(inventory, fmt::format("backbone.layers.{}", layer), layout, blocks[layer], Keeps::all);
    if (blocks[layer] != HybridBlock::mamba) continue;
    inventory.cache.states += product(inventory, {layout.inner(), layout.mamba.state});
    inventory.cache.tails += product(inventory, {layout.convolved(), layout.mamba.taps - 1});
  }
  add(inventory, "backbone.norm_f.weight", {inventory.hidden});

  inventory.mtp_head_layers = static_cast<int>(mtp_blocks.size());
  for (int m = 0; m < shape.mtp_layers; ++m) {
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

// Nemotron-H: every layer one of Mamba2 (arXiv 2405.21060), attention, experts or a dense block. transformers:
// models/nemotron_h.
#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/inventory.h"

namespace specdec {
namespace {

enum class Block { mamba, attention, moe, dense };

// Blocks by letter ("MEM*") or by name, as configs of several years spell them.
std::vector<Block> read_blocks(const ConfigReader& config, std::initializer_list<std::string_view> lists,
                               std::string_view pattern) {
  static const std::map<std::string, Block, std::less<>> kNames{{"M", Block::mamba},
                                                                {"mamba", Block::mamba},
                                                                {"linear_attention", Block::mamba},
                                                                {"*", Block::attention},
                                                                {"moe", Block::moe},
                                                                {"full_attention", Block::attention},
                                                                {"attention", Block::attention},
                                                                {"E", Block::moe},
                                                                {"-", Block::dense},
                                                                {"mlp", Block::dense}};
  const std::string_view key = config.first_of(lists);
  std::vector<std::string> names = config.texts(key);
  if (names.empty()) {
    for (const char c : config.text(pattern, "")) names.emplace_back(1, c);
  }
  std::vector<Block> blocks;
  for (const std::string& name : names) {
    const auto found = kNames.find(name);
    if (found == kNames.end()) {
      throw Error("{}: '{}' has a layer '{}'; expected mamba, attention, moe or mlp (M, *, E, -)", config.origin(),
                  config.has(key) ? key : pattern, name);
    }
    blocks.push_back(found->second);
  }
  return blocks;
}

struct Layout {
  GqaShape gqa;
  std::int64_t mamba_heads = 0, mamba_dim = 0, groups = 0, state = 0, kernel = 0;
  bool conv_bias = true;
  std::int64_t width = 0, shared = 0, latent = 0, dense = 0;

  std::int64_t inner() const { return mamba_heads * mamba_dim; }
  std::int64_t convolved() const { return inner() + 2 * groups * state; }
};

void add_mamba(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::int64_t conv = layout.convolved();
  add(inventory, path + ".in_proj.weight", {layout.inner() + conv + layout.mamba_heads, inventory.hidden});
  add(inventory, path + ".conv1d.weight", {conv, 1, layout.kernel});
  if (layout.conv_bias) add(inventory, path + ".conv1d.bias", {conv});
  for (const char* name : {".A_log", ".D", ".dt_bias"}) add(inventory, path + name, {layout.mamba_heads});
  add(inventory, path + ".norm.weight", {layout.inner()});
  add(inventory, path + ".out_proj.weight", {inventory.hidden, layout.inner()});
}

void add_moe(Inventory& inventory, const std::string& path, const Layout& layout) {
  const std::int64_t hidden = inventory.hidden;
  const std::int64_t in = layout.latent > 0 ? layout.latent : hidden;
  add(inventory, path + ".gate.weight", {inventory.experts, hidden});
  add(inventory, path + ".gate.e_score_correction_bias", {inventory.experts});
  if (layout.latent > 0) {
    add(inventory, path + ".fc1_latent_proj.weight", {layout.latent, hidden});
    add(inventory, path + ".fc2_latent_proj.weight", {hidden, layout.latent});
  }
  add(inventory, path + ".experts.*.up_proj.weight", {layout.width, in}, inventory.experts);
  add(inventory, path + ".experts.*.down_proj.weight", {in, layout.width}, inventory.experts);
  if (layout.shared > 0) {
    add(inventory, path + ".shared_experts.up_proj.weight", {layout.shared, hidden});
    add(inventory, path + ".shared_experts.down_proj.weight", {hidden, layout.shared});
  }
}

void add_layer(Inventory& inventory, const std::string& path, const Layout& layout, Block block, Keeps keeps) {
  add(inventory, path + ".norm.weight", {inventory.hidden});
  const std::string mixer = path + ".mixer";
  switch (block) {
    case Block::mamba:
      return add_mamba(inventory, mixer, layout);
    case Block::attention:
      return add_gqa(inventory, mixer, layout.gqa, keeps);
    case Block::moe:
      return add_moe(inventory, mixer, layout);
    case Block::dense:
      add(inventory, mixer + ".up_proj.weight", {layout.dense, inventory.hidden});
      add(inventory, mixer + ".down_proj.weight", {inventory.hidden, layout.dense});
  }
}

std::int64_t mamba_state_bytes(const Inventory& inventory, const Layout& layout) {
  return product(inventory, {4, layout.inner(), layout.state}) +
         product(inventory, {CacheShape::kValueBytes, layout.convolved(), layout.kernel - 1});
}

Layout read_layout(const ConfigReader& config, bool routed) {
  for (const std::string_view key : {"use_bias", "mlp_bias", "mamba_proj_bias"}) {
    if (config.boolean(key, false)) throw Error("{}: '{}' is true; expected no such biases", config.origin(), key);
  }
  Layout layout{.gqa = read_gqa(config, 128)};
  layout.gqa.qkv_bias = layout.gqa.output_bias = config.boolean("attention_bias", false);
  layout.mamba_heads = size_of(config, "mamba_num_heads");
  layout.mamba_dim = size_of(config, "mamba_head_dim");
  layout.groups = size_of(config, config.first_of({"n_groups", "mamba_n_groups"}));
  layout.state = size_of(config, "ssm_state_size");
  layout.kernel = size_of(config, config.first_of({"conv_kernel", "mamba_d_conv"}));
  layout.conv_bias = config.boolean(config.first_of({"use_conv_bias", "mamba_conv_bias"}), true);
  layout.dense = size_of(config, "intermediate_size", 0);
  if (!routed) return layout;
  layout.width = size_of(config, "moe_intermediate_size");
  layout.latent = size_of(config, "moe_latent_size", 0);
  if (config.count("n_shared_experts", 1) > 0) layout.shared = size_of(config, "moe_shared_expert_intermediate_size");
  return layout;
}

Inventory take(const ConfigReader& config) {
  const std::vector<Block> blocks =
      read_blocks(config, {"layers_block_type", "layer_types"}, "hybrid_override_pattern");
  if (blocks.empty())
    throw Error("{}: 'hybrid_override_pattern' is missing; expected one letter a layer", config.origin());
  Inventory inventory = begin_inventory(config, false, static_cast<int>(blocks.size()));
  const bool routed = std::ranges::find(blocks, Block::moe) != blocks.end();
  if (routed) read_experts(config, inventory, config.first_of({"n_routed_experts", "num_local_experts"}));
  const Layout layout = read_layout(config, routed);

  add_embedding_and_head(inventory, "backbone.embeddings");
  for (std::size_t layer = 0; layer < blocks.size(); ++layer) {
    add_layer(inventory, fmt::format("backbone.layers.{}", layer), layout, blocks[layer], Keeps::all);
    if (blocks[layer] == Block::mamba) inventory.cache.state_bytes += mamba_state_bytes(inventory, layout);
  }
  add(inventory, "backbone.norm_f.weight", {inventory.hidden});

  const int mtp_layers = count_mtp_layers(config);
  std::vector<Block> mtp_blocks = read_blocks(config, {"mtp_layers_block_type"}, "mtp_hybrid_override_pattern");
  if (mtp_blocks.empty()) mtp_blocks = {Block::attention, Block::moe};
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

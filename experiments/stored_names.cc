#include "experiments/stored_names.h"

#include <array>

namespace specdec {
namespace {

// Ends of names. What is stored as two is halved.
struct Spelling {
  std::string_view published, stored, second;
};
constexpr std::array<Spelling, 12> kSpellings{{
    {".block_sparse_moe.gate.weight", ".mlp.gate.weight", {}},
    {".experts.*.w1.weight", ".switch_mlp.gate_proj.weight", {}},
    {".experts.*.w2.weight", ".switch_mlp.down_proj.weight", {}},
    {".experts.*.w3.weight", ".switch_mlp.up_proj.weight", {}},
    {".experts.*.up_proj.weight", ".switch_mlp.fc1.weight", {}},
    {".experts.*.down_proj.weight", ".switch_mlp.fc2.weight", {}},
    {".experts.gate_up_proj", ".switch_mlp.gate_proj.weight", ".switch_mlp.up_proj.weight"},
    {".experts.down_proj", ".switch_mlp.down_proj.weight", {}},
    {".experts.gate_up_proj", ".experts.gate_proj.weight", ".experts.up_proj.weight"},
    {".experts.down_proj", ".experts.down_proj.weight", {}},
    {".experts.gate_up_proj_bias", ".experts.gate_proj.bias", ".experts.up_proj.bias"},
    {".experts.down_proj_bias", ".experts.down_proj.bias", {}},
}};

// Of a text model inside another: the hub's, mlx-lm's and transformers' own.
constexpr std::string_view kHub = "language_model.model.", kInside = "model.language_model.";

std::string root_as_stored(const std::string& name, const WeightFile& file) {
  constexpr std::string_view kNemotron = "backbone.";
  const auto with = [&](std::string_view root, std::string_view instead) {
    return std::string(instead) + name.substr(root.size());
  };
  if (file.has_prefix(std::string(kInside))) {
    if (name.starts_with(kHub)) return with(kHub, kInside);
    if (name.starts_with("language_model.lm_head.")) return with("language_model.", "");
  } else if (file.has_prefix("language_model.")) {
    if (name.starts_with(kInside)) return with(kInside, kHub);
    if (!name.starts_with("language_model.")) return with("", "language_model.");
  } else if (name.starts_with(kNemotron) && !file.has_prefix(std::string(kNemotron))) {
    return with(kNemotron, "model.");
  }
  return name;
}

// Kimi K2.5's layers, as transformers saves them.
std::string layers_as_stored(std::string name, const WeightFile& file) {
  constexpr std::string_view kLayers = "language_model.model.layers.", kBlocks = "language_model.model.blocks.";
  if (name.starts_with(kLayers) && file.has_prefix(std::string(kBlocks))) name.replace(0, kLayers.size(), kBlocks);
  return name;
}

std::vector<TensorSpec> as_stored(const TensorSpec& tensor, const WeightFile& file) {
  const std::string name = layers_as_stored(root_as_stored(tensor.name, file), file);
  const auto begin_of = [&](std::string_view end) { return name.substr(0, name.size() - end.size()); };
  for (const Spelling& spelling : kSpellings) {
    if (!name.ends_with(spelling.published)) continue;
    const std::string begin = begin_of(spelling.published);
    TensorSpec stored{begin + std::string(spelling.stored), tensor.shape, 1};
    if (!file.has(stored.name)) continue;
    if (spelling.published.find('*') != spelling.published.npos) {
      stored.shape.insert(stored.shape.begin(), tensor.copies);
    }
    if (spelling.second.empty()) return {stored};
    stored.shape[1] /= 2;
    return {stored, {begin + std::string(spelling.second), stored.shape, 1}};
  }
  constexpr std::string_view kKeysAndValues = ".kv_b_proj.weight";
  if (name.ends_with(kKeysAndValues)) {
    const std::string begin = begin_of(kKeysAndValues);
    const StoredTensor* values = file.peek(begin + ".unembed_out.weight");
    if (values != nullptr && values->shape.size() == 3 && values->shape[0] > 0) {
      const std::int64_t heads = values->shape[0], value = values->shape[1], rank = tensor.shape[1];
      const std::int64_t nope = tensor.shape[0] / heads - value;
      if (nope > 0) {
        return {{begin + ".embed_q.weight", {heads, rank, nope}, 1},
                {begin + ".unembed_out.weight", {heads, value, rank}, 1}};
      }
    }
  }
  return {{name, tensor.shape, tensor.copies}};
}

}  // namespace

void respell_as_stored(Inventory& inventory, const WeightFile& file) {
  std::vector<TensorSpec> tensors;
  for (const TensorSpec& tensor : inventory.tensors) {
    for (TensorSpec& stored : as_stored(tensor, file)) tensors.push_back(std::move(stored));
  }
  inventory.tensors = std::move(tensors);
}

}  // namespace specdec

#include "experiments/mlx_names.h"

#include <array>

namespace specdec {
namespace {

// Ends of names. What has two by MLX is halved.
struct Spelling {
  std::string_view published, mlx, mlx_second;
};
constexpr std::array<Spelling, 11> kSpellings{{
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

std::string root_by_mlx(const std::string& name, const WeightFile& file) {
  constexpr std::string_view kInside = "model.language_model.";
  if (!file.has_prefix("language_model.") || name.starts_with("language_model.")) return name;
  const bool inside = name.starts_with(kInside);
  return (inside ? "language_model.model." : "language_model.") + name.substr(inside ? kInside.size() : 0);
}

std::vector<TensorSpec> by_mlx(const TensorSpec& tensor, const WeightFile& file) {
  const std::string name = root_by_mlx(tensor.name, file);
  const auto begin_of = [&](std::string_view end) { return name.substr(0, name.size() - end.size()); };
  for (const Spelling& spelling : kSpellings) {
    if (!name.ends_with(spelling.published)) continue;
    const std::string begin = begin_of(spelling.published);
    TensorSpec stored{begin + std::string(spelling.mlx), tensor.shape, 1};
    if (!file.has(stored.name)) continue;
    if (spelling.published.find('*') != spelling.published.npos) {
      stored.shape.insert(stored.shape.begin(), tensor.copies);
    }
    if (spelling.mlx_second.empty()) return {stored};
    stored.shape[1] /= 2;
    return {stored, {begin + std::string(spelling.mlx_second), stored.shape, 1}};
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

void respell_as_mlx(Inventory& inventory, const WeightFile& file) {
  std::vector<TensorSpec> tensors;
  for (const TensorSpec& tensor : inventory.tensors) {
    for (TensorSpec& stored : by_mlx(tensor, file)) tensors.push_back(std::move(stored));
  }
  inventory.tensors = std::move(tensors);
}

}  // namespace specdec

#include "experiments/checkpoint_role.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

namespace specdec {
namespace {

constexpr std::int64_t kMostOfADraft = 4'000'000'000;  // parameters

std::string_view stem_of(std::string_view name) {
  constexpr std::string_view kModel = "model.";
  return name.starts_with(kModel) ? name.substr(kModel.size()) : name;
}

// The names without "model." in front, as some writers of draft heads leave it out.
class Names {
 public:
  explicit Names(const Shapes& tensors) {
    for (const auto& [name, shape] : tensors) shapes_.emplace(stem_of(name), shape);
  }
  bool has(std::string_view name) const { return shapes_.contains(name); }
  bool has_prefix(std::string_view prefix) const {
    const auto next = shapes_.lower_bound(prefix);
    return next != shapes_.end() && next->first.starts_with(prefix);
  }
  std::int64_t size(std::string_view name, std::size_t dimension) const {
    const auto found = shapes_.find(name);
    return found == shapes_.end() || found->second.size() <= dimension ? 0 : found->second[dimension];
  }
  const Shapes& all() const { return shapes_; }

 private:
  Shapes shapes_;
};

std::optional<Recognised> as_eagle3(const Names& names) {
  const bool original = names.has_prefix("midlayer.");
  const std::string layer = original ? "midlayer" : "layers.0";
  if (!names.has_prefix("fc.") || !names.has(layer + ".hidden_norm.weight")) return std::nullopt;
  const std::int64_t ids = names.size("d2t", 0);
  std::string reason =
      fmt::format("fc [{}, {}] and {}.hidden_norm", names.size("fc.weight", 0), names.size("fc.weight", 1), layer);
  reason += ids > 0 ? fmt::format(", d2t of {} draft ids", ids) : ", no d2t: the target's whole vocabulary";
  if (names.has("mask_hidden")) reason += ", mask_hidden: drafts in parallel (P-EAGLE)";
  return Recognised{original ? CheckpointRole::eagle3 : CheckpointRole::eagle3_speculators, reason};
}

std::optional<Recognised> as_eagle(const Names& names) {
  const std::int64_t hidden = names.size("fc.weight", 0);
  const bool joins = hidden > 0 && names.size("fc.weight", 1) == 2 * hidden;
  if (!joins || !names.has_prefix("layers.0.self_attn.") || names.has("layers.0.input_layernorm.weight")) {
    return std::nullopt;
  }
  return Recognised{CheckpointRole::eagle,
                    fmt::format("fc [{}, {}], layers.0 without input_layernorm, {} head of its own", hidden, 2 * hidden,
                                names.has_prefix("lm_head.") ? "a" : "no")};
}

// Only layers that join an embedding with a hidden state, and perhaps copies of the embedding and the head.
std::optional<Recognised> as_mtp_sidecar(const Names& names) {
  constexpr int kNoTrunk = 0;
  std::set<int> joined, all;
  bool apart = false;
  for (const auto& [name, shape] : names.all()) {
    const bool beside = name.starts_with("mtp.");
    apart = apart || beside;
    const int layer = place_of(name, kNoTrunk).layer;
    if (beside || layer < 0) continue;
    all.insert(layer);
    if (name.find(".eh_proj.") != name.npos) joined.insert(layer);
  }
  if ((joined.empty() && !apart) || all != joined) return std::nullopt;
  return Recognised{CheckpointRole::mtp_sidecar,
                    joined.empty() ? "tensors under mtp. and none of a trunk"
                                   : fmt::format("layer {} with eh_proj and no layer of a trunk", *joined.begin())};
}

std::optional<Recognised> as_medusa(const Names& names) {
  if (!names.has_prefix("medusa_head.") && !names.has_prefix("0.0.linear.") &&
      !names.has_prefix("blocks.0.0.linear.")) {
    return std::nullopt;
  }
  return Recognised{CheckpointRole::medusa, "residual blocks on the last hidden state"};
}

Recognised as_model(const Inventory* inventory, std::string reason) {
  if (inventory == nullptr) return {CheckpointRole::target, std::move(reason)};
  std::int64_t parameters = 0;
  for (const TensorSpec& tensor : inventory->tensors) {
    if (!place_of(tensor.name, inventory->layers).mtp) parameters += tensor.elements();
  }
  const double billions = static_cast<double>(parameters) / 1e9;
  if (inventory->experts > 0) {
    return {CheckpointRole::target,
            fmt::format("{}, {} experts, {} per token", reason, inventory->experts, inventory->experts_per_token)};
  }
  if (parameters > kMostOfADraft)
    return {CheckpointRole::target, fmt::format("{}, dense, {:.2f}e9 parameters", reason, billions)};
  return {
      CheckpointRole::draft_model,
      fmt::format("{}, dense, {:.2f}e9 parameters: a target by itself, and small enough to draft", reason, billions)};
}

}  // namespace

std::string_view name_of(CheckpointRole role) {
  constexpr std::array<std::string_view, 9> kNames{"target model",
                                                   "draft model",
                                                   "EAGLE-1/2 head",
                                                   "EAGLE-3 head, original layout",
                                                   "EAGLE-3 head, speculators layout",
                                                   "MTP sidecar",
                                                   "Medusa heads",
                                                   "head of another kind",
                                                   "unknown"};
  return kNames[static_cast<std::size_t>(role)];
}

bool is_head(CheckpointRole role) {
  return role != CheckpointRole::target && role != CheckpointRole::draft_model && role != CheckpointRole::unknown;
}

bool is_eagle(CheckpointRole role) {
  return role == CheckpointRole::eagle || role == CheckpointRole::eagle3 || role == CheckpointRole::eagle3_speculators;
}

Recognised recognise(const Shapes& tensors, const Inventory* inventory) {
  const Names names(tensors);
  for (const auto as : {as_eagle3, as_eagle, as_mtp_sidecar, as_medusa}) {
    if (const auto found = as(names)) return *found;
  }
  const auto is_layer = [](const auto& tensor) { return place_of(tensor.first, 0).group == Group::attention; };
  const auto is_embedding = [](const auto& tensor) { return place_of(tensor.first, 0).group == Group::embedding; };
  if (std::ranges::any_of(tensors, is_layer) && std::ranges::any_of(tensors, is_embedding)) {
    return as_model(inventory, "an embedding and layers with attention or a mixer");
  }
  std::vector<std::string> first;
  for (auto next = tensors.begin(); next != tensors.end() && first.size() < 3; ++next) first.push_back(next->first);
  return {CheckpointRole::unknown,
          fmt::format("no layout that is known: {} tensors, {} first", tensors.size(), fmt::join(first, ", "))};
}

Recognised recognise(const ConfigReader& config, const Inventory* inventory) {
  const std::string speculators = config.text("speculators_model_type", "");
  if (speculators == "eagle3") {
    return {CheckpointRole::eagle3_speculators, "speculators_model_type is eagle3"};
  }
  if (!speculators.empty())
    return {CheckpointRole::other_head, fmt::format("speculators_model_type is {}", speculators)};
  for (const std::string& name : config.texts("architectures")) {
    if (name.find("Eagle3") != name.npos) return {CheckpointRole::eagle3, fmt::format("architectures names {}", name)};
    for (const std::string_view other : {"DFlash", "DSpark"}) {
      if (name.find(other) != name.npos)
        return {CheckpointRole::other_head, fmt::format("architectures names {}", name)};
    }
  }
  if (config.text("model_type", "") == "eagle") return {CheckpointRole::eagle, "model_type is eagle"};
  if (config.has("medusa_num_heads")) return {CheckpointRole::medusa, "config.json has medusa_num_heads"};
  if (inventory != nullptr) return as_model(inventory, fmt::format("model_type {}", inventory->model_type));
  return {CheckpointRole::unknown, fmt::format("model_type '{}' is not known", config.text("model_type", ""))};
}

}  // namespace specdec

// What a checkpoint is for, by the names and shapes of its tensors; config.json is a hint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/inventory.h"

namespace specdec {

enum class CheckpointRole {
  target,
  draft_model,
  eagle,
  eagle3,
  eagle3_speculators,
  mtp_sidecar,
  medusa,
  other_head,
  unknown
};
std::string_view name_of(CheckpointRole role);
bool is_head(CheckpointRole role);   // no model by itself, but one to guess with
bool is_eagle(CheckpointRole role);  // of any layout

struct Recognised {
  CheckpointRole role = CheckpointRole::unknown;
  std::string reason;  // one line
};

using Shapes = std::map<std::string, std::vector<std::int64_t>, std::less<>>;
Recognised recognise(const Shapes& tensors, const Inventory* inventory);
// Without tensors.
Recognised recognise(const ConfigReader& config, const Inventory* inventory);

}  // namespace specdec

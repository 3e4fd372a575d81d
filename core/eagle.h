// EAGLE heads: EAGLE-1 and -2 (arXiv 2401.15077, 2406.16858), which read the state after the target's final norm, and
// EAGLE-3 (arXiv 2503.01840), which reads the outputs of some layers, as published, as SpecForge and as speculators
// write it.
//   const std::unique_ptr<DraftHead> head = load_eagle("models/demo-eagle3", *target, engine);
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/model.h"

namespace specdec {

// Published configs count in two ways: which layer's output it is, or before which layer the state is taken.
struct EagleTaps {
  std::vector<int> outputs;  // of these layers of the target, in the order in which they are joined
  std::string source;        // where that is said
};
EagleTaps read_eagle_taps(const ConfigReader& config, int target_layers);

// The target outlives the head, which may share its embedding and its output head. Throws Error with what is wrong.
std::unique_ptr<DraftHead> load_eagle(const std::filesystem::path& path, const Model& target, Engine& engine);

}  // namespace specdec

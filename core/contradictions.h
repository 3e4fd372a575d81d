// What in a config.json cannot be true together. Loading refuses the first, `specdec inspect` tells all.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace specdec {

// Each one line, as an Error says it.
std::vector<std::string> contradictions(const ConfigReader& config);

// Ids among `key` that the vocabulary does not have, in the same words: of generation_config.json.
std::vector<std::string> foreign_ids(const ConfigReader& config, std::string_view key, int vocab);

}  // namespace specdec

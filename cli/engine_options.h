// The options of a command that say what its models compute with.
#pragma once

#include <vector>

#include "cli/option.h"
#include "core/engine.h"

namespace specdec {

// `own` options of a command, and those of its engine.
std::vector<Option> with_engine_options(std::vector<Option> own, EngineOptions& engine);

}  // namespace specdec

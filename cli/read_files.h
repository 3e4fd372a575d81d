// Files besides checkpoints that options of a run read: no output may replace them.
#pragma once

#include <filesystem>
#include <vector>

#include "core/engine.h"
#include "draft/drafter.h"

namespace specdec {

// What replay, suffix and a static expert policy read.
std::vector<std::filesystem::path> files_read_for(const DrafterSpec& drafter, const EngineOptions& engine);

}  // namespace specdec

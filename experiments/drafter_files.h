// Files besides checkpoints that options of a drafter name.
#pragma once

#include <string>
#include <vector>

#include "draft/drafter.h"

namespace specdec {

// What replay and suffix read, in the order text, corpus.
std::vector<std::string> files_of(const DrafterSpec& drafter);

}  // namespace specdec

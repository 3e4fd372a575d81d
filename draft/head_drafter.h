// Drafters that chain a head over hidden states of the target: mtp and eagle. The row for token t(i+1) takes the
// target's states of token t(i). Guesses are fed with the state carried from the guess before; once judged, all of them
// are dropped and the accepted ones run again with the target's own states, because a cache of carried states drifts
// away from what the head was trained on and acceptance decays.
#pragma once

#include <memory>
#include <string>

#include "draft/drafter.h"

namespace specdec {

// level_by_level: as grow() does. ranked: as grow_ranked() does, where a guess may have siblings.
enum class TreeShape { level_by_level, ranked };

// owner: the drafter's name in errors. The head outlives the drafter.
std::unique_ptr<Drafter> make_head_drafter(const DraftHead& head, const DrafterContext& context,
                                           const std::string& owner, TreeShape shape);

}  // namespace specdec

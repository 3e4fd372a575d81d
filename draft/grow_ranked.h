// EAGLE-2's dynamic tree (Li et al. 2024, arXiv 2406.16858): the head looks ahead of more guesses than are kept.
#pragma once

#include "draft/grow.h"

namespace specdec {

// On every level the `width` surest nodes get `width` children each; of all that were seen, the surest within the
// budget's rows are added. How sure: the product of the drafter's probabilities from the anchor. Guesses are certain,
// whatever the temperature: to drop some that were drawn would bias the rest. rows: that the passes may feed in all.
void grow_ranked(DraftTree& tree, const Budget& budget, const DraftLaw& law, int rows, const OwnId& own_id,
                 const DraftLook& look);

}  // namespace specdec

// The batches that specdec makes: a chain of tokens, and a tree of guesses.
#pragma once

#include <span>
#include <vector>

#include "core/model.h"
#include "core/tree.h"

namespace specdec {

Batch chain_of(std::span<const TokenId> tokens);  // after the last committed position
Batch batch_of(const DraftTree& tree);            // row = node
std::vector<int> whole_chain(int rows);           // the path that commits every row of a chain

}  // namespace specdec

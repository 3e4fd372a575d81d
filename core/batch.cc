#include "core/batch.h"

#include <numeric>

namespace specdec {

Batch chain_of(std::span<const TokenId> tokens) {
  Batch batch{{tokens.begin(), tokens.end()}, std::vector<int>(tokens.size())};
  std::iota(batch.parents.begin(), batch.parents.end(), -1);
  return batch;
}

Batch batch_of(const DraftTree& tree) {
  Batch batch;
  for (int node = 0; node < tree.size(); ++node) {
    batch.tokens.push_back(tree[node].token);
    batch.parents.push_back(tree[node].parent);
  }
  return batch;
}

std::vector<int> whole_chain(int rows) {
  std::vector<int> path(static_cast<std::size_t>(rows));
  std::iota(path.begin(), path.end(), 0);
  return path;
}

}  // namespace specdec

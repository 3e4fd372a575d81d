#include "verify/sequoia.h"

#include <limits>
#include <vector>

#include "core/error.h"
#include "core/traffic.h"
#include "verify/cost.h"

namespace specdec {
namespace {

// Most expected tokens of trees, by how deep they may be and how many nodes they have, by dynamic programming.
class BestTrees {
 public:
  BestTrees(std::span<const double> chances, int most_depth, int most_nodes)
      : chances_(chances), nodes_(most_nodes), depths_(static_cast<std::size_t>(most_depth) + 1) {
    for (int depth = 0; depth <= most_depth; ++depth) fill(depth);
  }

  // Of a tree of so many nodes, its root among them; -infinity if there is none.
  double tokens(int depth, int nodes) const { return 1 + at(depth, 0, nodes - 1).tokens; }
  void build(StaticTree& tree, int parent, int depth, int nodes) const {
    int left = nodes - 1;
    for (int rank = 0; left > 0; ++rank) {
      const int of_child = at(depth, rank, left).of_child;
      build(tree, tree.add(parent), depth - 1, of_child);
      left -= of_child;
    }
  }

 private:
  // Siblings of rank `rank` and later with what is below them, together `nodes` nodes.
  struct Siblings {
    double tokens = -std::numeric_limits<double>::infinity();
    int of_child = 0;  // nodes of the first one, itself among them
  };
  const Siblings& at(int depth, int rank, int nodes) const {
    return depths_[static_cast<std::size_t>(depth)][place(rank, nodes)];
  }
  std::size_t place(int rank, int nodes) const { return static_cast<std::size_t>(rank * nodes_ + nodes); }

  void fill(int depth) {
    const int ranks = static_cast<int>(chances_.size());
    auto& table = depths_[static_cast<std::size_t>(depth)];
    table.resize(place(ranks + 1, 0));
    for (int rank = ranks; rank >= 0; --rank) {
      table[place(rank, 0)].tokens = 0;
      for (int nodes = 1; nodes < nodes_ && rank < ranks && depth > 0; ++nodes) {
        Siblings& best = table[place(rank, nodes)];
        for (int of_child = 1; of_child <= nodes; ++of_child) {
          const double sum = chances_[static_cast<std::size_t>(rank)] * tokens(depth - 1, of_child) +
                             table[place(rank + 1, nodes - of_child)].tokens;
          if (sum > best.tokens) best = {sum, of_child};
        }
      }
    }
  }

  std::span<const double> chances_;
  int nodes_;
  std::vector<std::vector<Siblings>> depths_;
};

}  // namespace

TreeCosts tree_costs(const ModelInfo& model, const WeightBytes& weights, std::int64_t guess_bytes) {
  return tree_costs(model, weights, guess_bytes, {});
}

TreeCosts tree_costs(const ModelInfo& model, const WeightBytes& weights, std::int64_t guess_bytes,
                     const Overlap& overlap) {
  const auto plain = static_cast<double>(bytes_of_plain_pass(weights, model.experts_per_token));
  double expert_bytes = 0;
  for (const std::int64_t bytes : weights.expert) expert_bytes += static_cast<double>(bytes);
  const auto pass = [=, fixed = static_cast<double>(weights.fixed), row = static_cast<double>(weights.embedding_row),
                     experts = model.experts, per_token = model.experts_per_token](int rows) {
    const double woken = experts == 0 ? 0 : union_of(overlap, experts, per_token, rows);
    return (fixed + rows * row + woken * expert_bytes) / plain;
  };
  return {pass, static_cast<double>(guess_bytes) / plain};
}

PlannedTree plan_tree(std::span<const double> chances, const TreeCosts& costs, const Budget& limits) {
  SPECDEC_ASSERT(!chances.empty());
  const int most_nodes = limits.row_limit() + 1;
  const BestTrees trees(chances, limits.depth, most_nodes + 1);
  PlannedTree best{.tree = {}, .tokens = 1, .cost = costs.pass(1)};
  int best_depth = 0, best_nodes = 1;
  for (int depth = 1; depth <= limits.depth; ++depth) {
    for (int nodes = depth + 1; nodes <= most_nodes; ++nodes) {
      const double tokens = trees.tokens(depth, nodes);
      const double cost = costs.pass(nodes) + depth * costs.level;
      if (tokens <= best.rate() * cost) continue;
      best.tokens = tokens;
      best.cost = cost;
      best_depth = depth;
      best_nodes = nodes;
    }
  }
  trees.build(best.tree, 0, best_depth, best_nodes);
  return best;
}

}  // namespace specdec

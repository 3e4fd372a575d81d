// The static tree that gives most tokens per cost (Sequoia: Chen et al. 2024, arXiv 2402.12374): whether a guess is
// accepted is taken to depend on its rank among its siblings alone.
//   const TreeCosts costs = tree_costs(model.info(), model.bytes(), drafter.step_bytes());
//   const PlannedTree best = plan_tree(std::vector{0.6, 0.2, 0.1}, costs, {.depth = 8, .rows = 32});
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "core/model.h"
#include "draft/policy.h"
#include "draft/static_tree.h"

namespace specdec {

struct Overlap;

// In passes of plain decoding.
struct TreeCosts {
  std::function<double(int rows)> pass;  // of the target
  double level = 0;                      // a pass of the drafter, which makes the guesses of one level
};
// By the bytes of weights. Rows share experts as they do in published measurements, or as somebody says.
TreeCosts tree_costs(const ModelInfo& model, const WeightBytes& weights, std::int64_t guess_bytes);
TreeCosts tree_costs(const ModelInfo& model, const WeightBytes& weights, std::int64_t guess_bytes,
                     const Overlap& overlap);

struct PlannedTree {
  StaticTree tree;    // without guesses if none pays
  double tokens = 1;  // of a pass, expected
  double cost = 1;
  double rate() const { return tokens / cost; }
};
// chances: that the child of rank 0, 1, … is the one that stays, of a parent that did (chances_by_rank). At most as
// deep and with as many rows as the limits say.
PlannedTree plan_tree(std::span<const double> chances, const TreeCosts& costs, const Budget& limits);

}  // namespace specdec

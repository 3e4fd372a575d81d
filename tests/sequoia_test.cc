#include "verify/sequoia.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

#include "core/traffic.h"
#include "verify/cost.h"

namespace specdec {
namespace {

// Every tree of up to `most` guesses, whose siblings have ranks below `ranks`: each as the parents of its nodes.
void for_every_tree(int most, int ranks, const std::function<void(const StaticTree&)>& visit) {
  const std::function<void(const StaticTree&, int)> grow = [&](const StaticTree& tree, int first) {
    visit(tree);
    if (tree.guesses() == most) return;
    for (int parent = first; parent <= tree.guesses(); ++parent) {  // ascending, so that no tree comes twice
      if (static_cast<int>(tree.children(parent).size()) == ranks) continue;
      StaticTree more = tree;
      more.add(parent);
      grow(more, parent);
    }
  };
  grow({}, 0);
}

double tokens_of(const StaticTree& tree, const std::vector<double>& chances, int node = 0) {
  double tokens = 1;
  for (std::size_t rank = 0; rank < tree.children(node).size(); ++rank) {
    tokens += chances[rank] * tokens_of(tree, chances, tree.children(node)[rank]);
  }
  return tokens;
}

TEST(Sequoia, IsTheBestOfAllTrees) {
  for (const std::vector<double>& chances :
       {std::vector{0.6, 0.2, 0.1}, {0.4, 0.35}, {0.9}, {0.1, 0.05}, {0.2, 0.5}, {0.5, 0.0}}) {
    for (const double row : {0.0, 0.05, 0.15, 0.3, 0.6}) {
      for (const double level : {0.0, 0.1}) {
        const TreeCosts costs{[&](int rows) { return 1 + row * (rows - 1); }, level};
        for (const Budget& limits : {Budget{.depth = 3, .rows = 7}, Budget{.depth = 7, .rows = 7}}) {
          double best = 1;
          for_every_tree(7, static_cast<int>(chances.size()), [&](const StaticTree& tree) {
            if (tree.depth() > limits.depth) return;
            best = std::max(best, tokens_of(tree, chances) / (costs.pass(tree.guesses() + 1) + tree.depth() * level));
          });
          const PlannedTree planned = plan_tree(chances, costs, limits);
          EXPECT_NEAR(planned.rate(), best, 1e-12) << planned.tree.text();
          EXPECT_NEAR(planned.tokens, tokens_of(planned.tree, chances), 1e-12) << planned.tree.text();
          EXPECT_LE(planned.tree.depth(), limits.depth);
        }
      }
    }
  }
}

TEST(Sequoia, ShapesFollowTheCostOfRows) {
  const std::vector<double> chances{0.6, 0.2, 0.1};
  const Budget limits{.depth = 6, .rows = 30};
  const auto planned = [&](double row) {
    return plan_tree(chances, {[row](int rows) { return 1 + row * (rows - 1); }, 0.02}, limits).tree;
  };
  EXPECT_EQ(planned(1).guesses(), 0);
  EXPECT_EQ(planned(0.5).text(), "1");
  EXPECT_EQ(planned(0).guesses(), 30);
  EXPECT_GT(planned(0.02).width(), 1);
}

TEST(Sequoia, CostsAreThoseOfTheBytes) {
  const WeightBytes weights{.fixed = 1000, .head = 300, .embedding_row = 10, .expert = {0, 50, 70}, .total = 9000};
  ModelInfo model;
  model.experts = 8;
  model.experts_per_token = 2;
  const TreeCosts costs = tree_costs(model, weights, 125, Overlap{.kind = Overlap::Kind::uniform});
  const double plain = 1010 + 2 * 120;
  EXPECT_DOUBLE_EQ(costs.pass(1), 1);
  EXPECT_DOUBLE_EQ(costs.pass(3), (1030 + uniform_union(8, 2, 3) * 120) / plain);
  EXPECT_DOUBLE_EQ(costs.level, 125 / plain);
  EXPECT_LT(tree_costs(model, weights, 0).pass(4), costs.pass(4));  // neighbouring rows share more
}

}  // namespace
}  // namespace specdec

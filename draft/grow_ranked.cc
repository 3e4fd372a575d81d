#include "draft/grow_ranked.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace specdec {
namespace {

struct Seen {
  int parent;  // among all seen; -1 = the anchor
  TokenId token;
  double confidence;
  Outlook outlook;
  double sureness;  // log of the product from the anchor
  int row = -1;     // of the passes; -1 = not fed
};

// The surest `count` of [first, seen.size()), in the order of their numbers.
std::vector<int> surest_of(const std::vector<Seen>& seen, int first, int count) {
  std::vector<int> order(seen.size() - static_cast<std::size_t>(first));
  std::iota(order.begin(), order.end(), first);
  std::ranges::stable_sort(order, std::greater{}, [&](int i) { return seen[static_cast<std::size_t>(i)].sureness; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max(count, 0))));
  std::ranges::sort(order);
  return order;
}

}  // namespace

void grow_ranked(DraftTree& tree, const Budget& budget, const DraftLaw& law, int rows, const OwnId& own_id,
                 const DraftLook& look) {
  std::vector<Seen> seen;
  std::vector<float> buffer;
  const auto add_children = [&](int parent, std::span<const float> logits) {
    const double so_far = parent < 0 ? 0 : seen[static_cast<std::size_t>(parent)].sureness;
    for (const LikelyToken& next : likeliest(law.known(logits, buffer), budget.width, law))
      seen.push_back({parent, next.token, next.confidence, next.outlook, so_far + std::log(next.confidence)});
  };
  add_children(-1, row_span(look({}), 0));
  int level = 0;  // where the last level begins
  int fed = 0;
  for (int depth = 2; depth <= budget.depth; ++depth) {
    const std::vector<int> parents = surest_of(seen, level, std::min(budget.width, rows - fed));
    if (parents.empty()) break;
    DraftRows pass;
    for (const int parent : parents) {
      Seen& node = seen[static_cast<std::size_t>(parent)];
      pass.add(own_id(node.token), node.parent < 0 ? -1 : seen[static_cast<std::size_t>(node.parent)].row);
      node.row = fed++;
    }
    level = static_cast<int>(seen.size());
    const MatView logits = look(pass);
    for (std::size_t i = 0; i < parents.size(); ++i)
      add_children(parents[i], row_span(logits, static_cast<Eigen::Index>(i)));
  }

  // A parent is no less sure than its children and comes before them, so none is added without it.
  std::vector<int> node_of(seen.size(), -1);
  for (const int i : surest_of(seen, 0, budget.row_limit())) {
    const Seen& one = seen[static_cast<std::size_t>(i)];
    const int parent = one.parent < 0 ? 0 : node_of[static_cast<std::size_t>(one.parent)];
    if (parent < 0 || (budget.policy && !(budget.policy->extend(tree, parent, budget) &&
                                          budget.policy->adds(tree, parent, one.outlook, budget)))) {
      continue;
    }
    node_of[static_cast<std::size_t>(i)] = tree.add(parent, one.token, {}, one.confidence, one.outlook.entropy);
  }
}

}  // namespace specdec

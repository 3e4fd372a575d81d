// Traversal verification (Weng et al. 2025, arXiv 2505.12398): block verification for trees. Leaves are tried from the
// left; one that fails is cut off, and what its parent may still be accepted with is what the target's law has left.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "verify/rational.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

template <typename Scalar>
class Traversal {
 public:
  Traversal(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice)
      : tree_(tree), laws_(laws), dice_(dice) {}

  Verdict verdict() {
    const bool accepted = accepts(0, Scalar(1));
    SPECDEC_ASSERT(accepted);
    std::ranges::reverse(path_);
    return {path_, next_};
  }

 private:
  // kept: the chance that the path to this node is accepted, if nothing below it is.
  bool accepts(int node, Scalar kept) {
    const BasicDistribution<Scalar>* law = &laws_(node);
    std::optional<BasicDistribution<Scalar>> left;
    for (const int child : tree_.children(node)) {
      const BasicNode<Scalar>& guess = tree_[child];
      const BasicDistribution<Scalar> q = law_of_guess(guess, law->size());
      if (accepts(child, std::min(Scalar(1), Scalar(kept * (*law)[guess.token] / q[guess.token])))) {
        path_.push_back(node);
        return true;
      }
      auto rest = residual(*law, q, kept);
      const Scalar mass = rest ? rest->mass : Scalar(0);
      const Scalar all = mass + (Scalar(1) - kept);
      kept = all > Scalar(0) ? Scalar(mass / all) : Scalar(0);
      if (rest) {
        left = std::move(rest->law);
        law = &*left;
      }
    }
    if (node > 0 && !dice_.accept(kept, tree_.position(node), node)) return false;
    next_ = dice_.draw(*law, tree_.position(node) + 1);
    path_.push_back(node);
    return true;
  }

  const BasicDraftTree<Scalar>& tree_;
  const BasicLaws<Scalar>& laws_;
  BasicDice<Scalar>& dice_;
  std::vector<int> path_;
  TokenId next_{};
};

template <typename Scalar>
Verdict judge(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice) {
  return Traversal<Scalar>(tree, laws, dice).verdict();
}

}  // namespace

RuleKind rule_traversal() {
  return {"traversal", "block verification for trees: leaves first, from the left",
          [](Options&) { return Rule{.lossless = true, .judge = judge<double>, .exact_judge = judge<Rational>}; }};
}

}  // namespace specdec

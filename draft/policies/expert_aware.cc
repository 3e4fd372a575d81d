// A guess is made while its chance to be accepted is worth what its row costs: the experts that it adds to those of the
// pass, as far as the tokens used them when they were last seen, and among them those that must come from storage.
// Tokens per cost of a whole text is a ratio of two sums; what maximises it is to take a guess if gain > rate * cost,
// with the best rate itself, which the rate so far comes nearer to with every step (Dinkelbach 1967, doi
// 10.1287/mnsc.13.7.492). The gain is the product of acceptances along the path, each as it turned out for guesses that
// the drafter was as sure of. Where the drafter was not asked yet, looking is worth what it may find.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "draft/acceptance_table.h"
#include "draft/policy.h"
#include "draft/storage_weight.h"

namespace specdec {
namespace {

// Of steps, of which later ones weigh more. At first that of plain decoding with all experts in memory.
class Rate {
 public:
  void add(double tokens, double cost) {
    tokens_ = kMemory * tokens_ + tokens;
    cost_ = kMemory * cost_ + cost;
  }
  double rate() const { return tokens_ / cost_; }

 private:
  static constexpr double kMemory = 0.95;
  double tokens_ = 1, cost_ = 1;
};

struct Weights {
  double storage, row;  // of bytes loaded; of a row besides its bytes, in plain passes
  int probe;            // steps without a guess before there is one all the same
  bool seen;            // what a token used when it was last seen counts, else only how many experts a row adds
};

class ExpertAware : public Policy {
 public:
  explicit ExpertAware(const Weights& weights) : weights_(weights) {}
  bool reads_cost() const override { return true; }

  bool extend(const DraftTree& tree, int node, const Budget& budget) override {
    catch_up(tree);
    if (probes(tree) || budget.cost == nullptr) return true;
    const double look = tree.has_children(node) ? 0 : weigh(budget.cost->guess());
    const double row = weights_.row + weigh(budget.cost->added(tree, {}));
    const double left = left_[static_cast<std::size_t>(node)];
    const double found =
        table_.expected([&](double acceptance) { return std::max(0.0, left * acceptance - rate() * row); });
    return found > rate() * look;
  }

  bool adds(const DraftTree& tree, int parent, const Outlook& outlook, const Budget& budget) override {
    catch_up(tree);
    table_.meet(outlook.surest);
    if (!probes(tree) && budget.cost != nullptr) {
      const double gain = left_[static_cast<std::size_t>(parent)] * table_.acceptance(outlook.surest);
      if (gain <= rate() * cost_of(tree, outlook, *budget.cost)) return false;
    }
    next_ = outlook.surest;
    return true;
  }

  void observe(const StepFacts& facts) override {
    catch_up(facts.tree);
    learn(facts.tree, facts.verdict);
    idle_ = facts.tree.guesses() > 0 ? 0 : idle_ + 1;
    const double cost = weigh(facts.cost) + weights_.row * facts.tree.guesses();
    lately_.add(facts.verdict.accepted() + 1, cost);
    if (facts.tree.guesses() == 0) plain_.add(1, cost);
  }

 private:
  double weigh(const ReadCost& cost) const { return cost.read + weights_.storage * cost.loaded; }
  bool probes(const DraftTree& tree) const { return idle_ >= weights_.probe && tree.guesses() == 0; }
  // Tokens per cost. The best rate is no worse than plain decoding's.
  double rate() const { return std::max(lately_.rate(), plain_.rate()); }

  double cost_of(const DraftTree& tree, const Outlook& outlook, RowCost& cost) const {
    if (!weights_.seen) return weights_.row + weigh(cost.added(tree, {}));
    const double likeliest = weigh(cost.added(tree, outlook.likeliest));
    if (outlook.certain) return weights_.row + likeliest;
    return weights_.row + outlook.surest * likeliest + (1 - outlook.surest) * weigh(cost.added(tree, {}));
  }

  void catch_up(const DraftTree& tree) {
    if (tree.guesses() == 0) {
      sureness_.clear();
      left_.clear();
    }
    for (int node = static_cast<int>(left_.size()); node < tree.size(); ++node) {
      const double sureness = std::exchange(next_, std::nullopt).value_or(tree[node].confidence);
      sureness_.push_back(sureness);
      if (node == 0) {
        left_.push_back(1);
        continue;
      }
      double& left = left_[static_cast<std::size_t>(tree[node].parent)];
      const double reached = left * table_.acceptance(sureness);
      left -= reached;
      left_.push_back(reached);
    }
  }

  // Of siblings, those up to the accepted one were tested; below a rejected guess none was.
  void learn(const DraftTree& tree, const Verdict& verdict) {
    std::size_t at = 0;
    for (int node = 1; node < tree.size() && at < verdict.path.size(); ++node) {
      if (tree[node].parent != verdict.path[at]) continue;
      const bool accepted = at + 1 < verdict.path.size() && verdict.path[at + 1] == node;
      table_.learn(sureness_[static_cast<std::size_t>(node)], accepted);
      at += accepted;
    }
  }

  Weights weights_;
  AcceptanceTable table_;
  Rate lately_, plain_;  // of all steps, and of those without guesses
  int idle_ = 0;
  // Of the nodes of the tree: how sure the drafter was before it drew them; the chance that the target comes to the
  // node and takes none of the children that it has.
  std::vector<double> sureness_, left_;
  std::optional<double> next_;  // of the node that was just allowed
};

}  // namespace

PolicyKind policy_expert_aware() {
  return {"expert-aware",
          "drafts while a guess is worth the experts that it adds: storage=16, row=0, experts=seen or even",
          [](Options& options) -> std::unique_ptr<Policy> {
            const double storage = take_storage_weight(options);
            const double row = options.number("row", 0, 0, 100);
            const int probe = options.integer("probe", 16, 1, 1 << 20);
            const std::string experts = options.text("experts", "seen", "seen or even");
            if (experts != "seen" && experts != "even") {
              throw UsageError("policy expert-aware: experts={}: expected seen or even", experts);
            }
            return std::make_unique<ExpertAware>(Weights{storage, row, probe, experts == "seen"});
          }};
}

}  // namespace specdec

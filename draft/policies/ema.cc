// SGLang's adaptive number of steps: a moving average of the accepted guesses moves the depth among a few, with
// hysteresis. At depth 0 nothing is guessed but a probe now and then, of the least other depth.
#include <algorithm>
#include <string>
#include <vector>

#include "draft/depths.h"
#include "draft/policy.h"

namespace specdec {
namespace {

constexpr int kWarmUp = 10, kEvery = 5;  // steps before the first move, and between moves; as there
constexpr double kMargin = 0.5;          // between depths, in guesses; as there

struct EmaOptions {
  std::vector<int> depths;
  double rate, down, up;
  int probe;
};

class Ema : public Policy {
 public:
  explicit Ema(EmaOptions options) : options_(std::move(options)), at_(options_.depths.size() / 2) {
    ema_ = options_.depths[at_];
  }
  bool reads_confidence() const override { return false; }

  bool extend(const DraftTree& tree, int node, const Budget&) override { return tree[node].depth < depth(); }

  void observe(const StepFacts& facts) override {
    if (facts.tree.guesses() == 0) {
      ++idle_;
      return;
    }
    idle_ = 0;
    ema_ += options_.rate * (facts.verdict.accepted() - ema_);
    ++steps_;
    if (options_.depths[at_] > 0 && (steps_ < kWarmUp || steps_ % kEvery != 0)) return;
    while (at_ > 0 && ema_ <= least_of(at_ - 1) + options_.down) --at_;
    while (at_ + 1 < options_.depths.size() && ema_ > least_of(at_) + options_.up) ++at_;
  }

 private:
  // As SGLang has it, accepted guesses that are worth more than `depths[at]`; depth 0 is left for half a guess.
  double least_of(std::size_t at) const { return options_.depths[at] == 0 ? kMargin : options_.depths[at] - kMargin; }
  int depth() const {
    if (options_.depths[at_] > 0 || idle_ < options_.probe) return options_.depths[at_];
    return options_.depths[1];
  }

  EmaOptions options_;
  std::size_t at_;
  double ema_;
  int steps_ = 0, idle_ = 0;
};

}  // namespace

PolicyKind policy_ema() {
  return {"ema", "moves the depth with the average of accepted guesses (SGLang): depths=1/3/5/7, rate=0.2",
          [](Options& options) -> std::unique_ptr<Policy> {
            EmaOptions all{.depths = take_depths(options, "policy ema", {1, 3, 5, 7}),
                           .rate = options.number("rate", 0.2, 0, 1),
                           .down = options.number("down", -0.25, -64, 64),
                           .up = options.number("up", 0, -64, 64),
                           .probe = options.integer("probe", 16, 1, 1 << 20)};
            return std::make_unique<Ema>(std::move(all));
          }};
}

}  // namespace specdec

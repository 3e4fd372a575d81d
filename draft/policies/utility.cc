// Cascade (Saxena et al. 2025, arXiv 2506.20675): the utility of a depth is the tokens of a step over its cost in steps
// of plain decoding. Test phases try some depths, ascending as long as it pays; a set phase stays with the best; if
// none has a utility of 1, nothing is guessed, and for longer each time. By counted bytes a run repeats itself;
// cost=time measures, so that what is drafted depends on the clock, though the text does not.
#include <algorithm>
#include <vector>

#include "core/error.h"
#include "draft/depths.h"
#include "draft/policy.h"
#include "draft/storage_weight.h"

namespace specdec {
namespace {

constexpr int kLongest = 16;  // set phases, that an idle one may last

struct UtilityOptions {
  std::vector<int> depths;
  int test, set;  // steps
  bool timed;
  double storage;
};

class Utility : public Policy {
 public:
  explicit Utility(UtilityOptions options) : options_(std::move(options)) {
    if (options_.timed)
      begin(Phase::plain, 0, options_.test);
    else
      begin_tests();
  }
  bool reads_confidence() const override { return false; }
  bool reads_cost() const override { return !options_.timed; }

  bool extend(const DraftTree& tree, int node, const Budget&) override { return tree[node].depth < depth_; }

  void observe(const StepFacts& facts) override {
    const double cost = options_.timed ? facts.seconds : facts.cost.read + options_.storage * facts.cost.loaded;
    if (depth_ == 0 && options_.timed) {
      plain_cost_ += cost;
      ++plain_steps_;
    }
    tokens_ += facts.verdict.accepted() + 1;
    cost_ += cost;
    if (--left_ > 0) return;
    if (phase_ == Phase::test) {
      after_test();
    } else {
      begin_tests();
    }
  }

 private:
  enum class Phase { plain, test, set };

  void begin(Phase phase, int depth, int steps) {
    phase_ = phase;
    depth_ = depth;
    left_ = steps;
    tokens_ = cost_ = 0;
  }

  void begin_tests() {
    at_ = options_.depths.front() == 0 ? 1 : 0;  // 0 is what the others are compared with
    best_ = 0;
    best_utility_ = 0;
    begin(Phase::test, options_.depths[at_], options_.test);
  }

  void after_test() {
    const double plain = options_.timed ? plain_cost_ / plain_steps_ : 1;
    const double utility = cost_ > 0 ? tokens_ * plain / cost_ : 0;
    const bool better = utility > best_utility_;
    if (better) {
      best_ = depth_;
      best_utility_ = utility;
    }
    if (better && ++at_ < options_.depths.size()) {
      begin(Phase::test, options_.depths[at_], options_.test);
    } else if (best_utility_ >= 1) {
      idle_ = 1;
      begin(Phase::set, best_, options_.set);
    } else {
      begin(Phase::set, 0, options_.set * idle_);
      idle_ = std::min(2 * idle_, kLongest);
    }
  }

  UtilityOptions options_;
  Phase phase_ = Phase::test;
  int depth_ = 0, left_ = 0;
  double tokens_ = 0, cost_ = 0;  // of this phase
  double plain_cost_ = 0, plain_steps_ = 0;
  std::size_t at_ = 0;
  int best_ = 0, idle_ = 1;
  double best_utility_ = 0;
};

}  // namespace

PolicyKind policy_utility() {
  return {"utility", "drafts while tokens per cost pay (Cascade): depths=1/2/3/5, test=4, set=16, cost=bytes or time",
          [](Options& options) -> std::unique_ptr<Policy> {
            UtilityOptions all{.depths = take_depths(options, "policy utility", {1, 2, 3, 5}),
                               .test = options.integer("test", 4, 1, 1 << 20),
                               .set = options.integer("set", 16, 1, 1 << 20),
                               .timed = false,
                               .storage = take_storage_weight(options)};
            const std::string cost = options.text("cost", "bytes", "bytes or time");
            if (cost != "bytes" && cost != "time") {
              throw UsageError("policy utility: cost={}: expected bytes or time", cost);
            }
            all.timed = cost == "time";
            return std::make_unique<Utility>(std::move(all));
          }};
}

}  // namespace specdec

// Every policy changes nothing but the speed: at temperature 0 the same tokens as no drafter, at temperature 1 the same
// law. So do static trees.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "core/kinds.h"
#include "draft/drafter.h"
#include "tests/laws/drafter_bench.h"
#include "tests/laws/exact_law.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

constexpr int kExperts = 6;

// As they come, and more eager to decide both ways: texts here are short.
std::vector<PolicySpec> policies() {
  std::vector<PolicySpec> all;
  for (const PolicyKind& kind : policy_kinds()) all.push_back({&kind});
  const auto add = [&](std::string_view name, std::map<std::string, std::string> options) {
    all.push_back({&find_kind(policy_kinds(), "policy", name), std::move(options)});
  };
  add("confidence", {{"threshold", "0.3"}, {"of", "path"}});
  add("ema", {{"depths", "0/1/3"}, {"rate", "1"}});
  add("utility", {{"depths", "1/3"}, {"test", "1"}, {"set", "1"}});
  add("expert-aware", {{"row", "0.3"}, {"probe", "1"}});
  return all;
}

TEST(PolicyLaws, GreedyTextIsThatOfNoDrafter) {
  const DrafterBench bench(64, kExperts);
  const auto plain = generate(bench.target, *bench.drafter("none"), sampled(), {}, {}, 150, Rng(1));
  for (const DrafterKind& kind : drafter_kinds()) {
    for (const PolicySpec& spec : policies()) {
      for (Budget budget : {Budget{.depth = 5}, Budget{.depth = 3, .width = 3},
                            with_tree({}, parse_static_tree("0/1/0.0/0.1/1.0/0.0.0"))}) {
        const auto policy = spec.make();
        budget.policy = policy.get();
        EXPECT_EQ(generate(bench.target, *bench.drafter(kind.name), sampled(), {}, budget, 150, Rng(1)), plain)
            << kind.name << ", " << spec.kind->name << ", width " << budget.width;
      }
    }
  }
}

// The policy outlives the drafts that it decides about, so that what it learned decides, too.
TEST(PolicyLaws, SampledTextKeepsTheExactLaw) {
  const DrafterBench bench(kVocab, kExperts);
  const Sampler sampler{.temperature = 1};
  for (const PolicySpec& spec : policies()) {
    for (Budget budget : {Budget{.depth = 3}, Budget{.depth = 2, .width = 2}}) {
      const auto policy = spec.make();
      budget.policy = policy.get();
      const MakeDrafter make = [&] { return bench.drafter("small", sampler); };
      EXPECT_LT(deviation_of(bench.target, make, sampled(), sampler, budget), kSuspicious)
          << spec.kind->name << ", width " << budget.width;
    }
  }
}

TEST(PolicyLaws, AStaticTreeKeepsTheExactLaw) {
  const DrafterBench bench(kVocab, kExperts);
  const Sampler sampler{.temperature = 1};
  for (const char* tree : {"2x2", "0/1/2/1.0/1.1"}) {
    const MakeDrafter make = [&] { return bench.drafter("small", sampler); };
    EXPECT_LT(deviation_of(bench.target, make, sampled(), sampler, with_tree({}, parse_static_tree(tree))), kSuspicious)
        << tree;
  }
}

// K-SEQ accepts by the number of siblings: how many are drawn must not depend on what they are.
class StopsAfterZero : public Policy {
 public:
  bool extend(const DraftTree& tree, int node, const Budget&) override {
    return std::ranges::none_of(tree.children(node), [&](int child) { return index(tree[child].token) == 0; });
  }
  void observe(const StepFacts&) override {}
};

TEST(PolicyLaws, APolicyThatLooksAtSiblingsKeepsTheExactLawOfEveryRule) {
  const DrafterBench bench(kVocab, kExperts);
  const Sampler sampler{.temperature = 1};
  StopsAfterZero policy;
  for (const char* name : {"k-seq", "sampled", "traversal"}) {
    const Rule rule = make_rule(name);
    const MakeDrafter make = [&] { return bench.drafter("small", sampler); };
    const Budget budget{.depth = 2, .width = 3, .rows = 9, .policy = &policy};
    EXPECT_LT(deviation_of(bench.target, make, rule, sampler, budget), kSuspicious) << name;
  }
}

// Drops every guess that turned out unlikely when it was drawn: what a policy cannot do, since it is asked before.
class DropsByTheDraw : public Drafter {
 public:
  explicit DropsByTheDraw(std::unique_ptr<Drafter> inner) : inner_(std::move(inner)) {}
  Taps needs() const override { return inner_->needs(); }
  void observe(const Final& seen) override { inner_->observe(seen); }
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) override {
    DraftTree all(tree[0].token, tree.position(0));
    inner_->propose(all, budget, rng);
    for (int node = 1; node < all.size(); ++node) {
      if ((*all[node].q)[all[node].token] < 0.3) return;
      tree.add(node - 1, all[node].token, all[node].q);
    }
  }

 private:
  std::unique_ptr<Drafter> inner_;
};

TEST(PolicyLaws, ToDropAGuessByItsOwnDrawFails) {
  const DrafterBench bench(kVocab, kExperts);
  const Sampler sampler{.temperature = 1};
  const MakeDrafter make = [&] { return std::make_unique<DropsByTheDraw>(bench.drafter("small", sampler)); };
  EXPECT_GT(deviation_of(bench.target, make, sampled(), sampler, {.depth = 3}), 2 * kSuspicious);
}

}  // namespace
}  // namespace specdec

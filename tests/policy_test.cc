#include "draft/policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/kinds.h"
#include "draft/acceptance_table.h"
#include "draft/drafter.h"
#include "draft/grow.h"
#include "tests/error_line.h"
#include "tests/toy_model.h"
#include "verify/pass_forecast.h"

namespace specdec {
namespace {

std::unique_ptr<Policy> policy(const std::string& name, std::map<std::string, std::string> options = {}) {
  return PolicySpec{&find_kind(policy_kinds(), "policy", name), std::move(options)}.make();
}

// The anchor and a chain of guesses of which the drafter was so sure.
DraftTree chain(const std::vector<double>& confidences) {
  DraftTree tree(TokenId{0}, 10);
  for (const double confidence : confidences) tree.add(tree.size() - 1, TokenId{tree.size()}, {}, confidence);
  return tree;
}

Verdict accepted(int guesses) {
  Verdict verdict{{0}, TokenId{9}};
  for (int node = 1; node <= guesses; ++node) verdict.path.push_back(node);
  return verdict;
}

// How long a chain grows when the drafter is always so sure.
int length(Policy& policy, double surest, const Budget& budget, double entropy = 0) {
  DraftTree tree(TokenId{0}, 10);
  while (tree.guesses() < budget.depth && policy.extend(tree, tree.size() - 1, budget) &&
         policy.adds(tree, tree.size() - 1, {TokenId{1}, surest, entropy, true}, budget)) {
    tree.add(tree.size() - 1, TokenId{1}, {}, surest);
  }
  return tree.guesses();
}

TEST(ConfidencePolicy, StopsAtAnUnsureGuessOrBeforeIt) {
  const auto by_token = policy("confidence", {{"threshold", "0.4"}});
  EXPECT_TRUE(by_token->extend(chain({0.5, 0.5}), 2, {}));
  EXPECT_FALSE(by_token->extend(chain({0.5, 0.3}), 2, {}));
  EXPECT_TRUE(by_token->adds(chain({0.5, 0.5}), 2, {.surest = 0.41}, {}));
  EXPECT_FALSE(by_token->adds(chain({0.5, 0.5}), 2, {.surest = 0.39}, {}));
  const auto by_path = policy("confidence", {{"threshold", "0.4"}, {"of", "path"}});
  EXPECT_TRUE(by_path->extend(chain({0.7, 0.6}), 2, {}));
  EXPECT_FALSE(by_path->extend(chain({0.6, 0.6}), 2, {}));
  EXPECT_FALSE(by_path->adds(chain({0.7}), 1, {.surest = 0.5}, {}));
  EXPECT_TRUE(by_path->adds(chain({0.9}), 1, {.surest = 0.5}, {}));
}

TEST(EntropyPolicy, IsTheBoundOfAdaEdl) {
  const auto adaedl = policy("entropy", {{"gamma", "0.25"}, {"lambda", "0.5"}});
  EXPECT_TRUE(adaedl->adds(chain({}), 0, {.entropy = 0.99}, {}));  // 1 - sqrt(0.25 * 1) = 0.5
  EXPECT_FALSE(adaedl->adds(chain({}), 0, {.entropy = 1.01}, {}));
}

TEST(EmaPolicy, MovesAmongDepthsWithAcceptance) {
  const auto ema = policy("ema");
  const Budget budget{.depth = 8};
  const auto steps = [&](int count, int most_accepted) {
    for (int i = 0; i < count; ++i) {
      const int guesses = length(*ema, 1, budget);
      const DraftTree tree = chain(std::vector<double>(static_cast<std::size_t>(guesses), 1));
      ema->observe({tree, accepted(std::min(guesses, most_accepted))});
    }
    return length(*ema, 1, budget);
  };
  EXPECT_EQ(length(*ema, 1, budget), 5);
  EXPECT_EQ(steps(40, 8), 7);
  EXPECT_EQ(steps(40, 3), 5);  // 5 is left at 3 - 0.75 only
  EXPECT_EQ(steps(60, 0), 1);
  EXPECT_EQ(steps(60, 8), 7);
}

TEST(EmaPolicy, ProbesWhenItGuessesNothing) {
  const auto ema = policy("ema", {{"depths", "0/2"}, {"probe", "3"}, {"rate", "0.5"}});
  std::vector<int> guesses;
  for (int i = 0; i < 20; ++i) {
    guesses.push_back(length(*ema, 1, {.depth = 8}));
    const DraftTree tree = chain(std::vector<double>(static_cast<std::size_t>(guesses.back()), 1));
    ema->observe({tree, accepted(0)});
  }
  EXPECT_EQ(std::vector<int>(guesses.end() - 8, guesses.end()).size(), 8U);
  EXPECT_EQ(std::ranges::count(std::span(guesses).last(8), 2), 2);
  EXPECT_EQ(std::ranges::count(std::span(guesses).last(8), 0), 6);
}

// Every guess costs 0.4 of a plain pass, and is accepted or not.
std::vector<int> depths_of(Policy& utility, int steps, int most_accepted) {
  std::vector<int> depths;
  for (int i = 0; i < steps; ++i) {
    depths.push_back(length(utility, 1, {.depth = 8}));
    const DraftTree tree = chain(std::vector<double>(static_cast<std::size_t>(depths.back()), 1));
    utility.observe({tree, accepted(std::min(depths.back(), most_accepted)), {.read = 1 + 0.4 * depths.back()}});
  }
  return depths;
}

TEST(UtilityPolicy, TestsAndSets) {
  const auto utility = policy("utility", {{"depths", "1/2/4"}, {"test", "2"}, {"set", "3"}});
  // Utilities 2 / 1.4, 3 / 1.8 and 3 / 2.6.
  EXPECT_EQ(depths_of(*utility, 12, 2), (std::vector<int>{1, 1, 2, 2, 4, 4, 2, 2, 2, 1, 1, 2}));
}

TEST(UtilityPolicy, GuessesNothingForLongerAndLonger) {
  const auto utility = policy("utility", {{"depths", "1/2"}, {"test", "1"}, {"set", "2"}});
  // Utilities 1 / 1.4 and 1 / 1.8.
  EXPECT_EQ(depths_of(*utility, 11, 0), (std::vector<int>{1, 2, 0, 0, 1, 2, 0, 0, 0, 0, 1}));
}

TEST(UtilityPolicy, MayMeasureTime) {
  const auto utility = policy("utility", {{"depths", "1/3"}, {"test", "2"}, {"set", "2"}, {"cost", "time"}});
  std::vector<int> depths;
  for (int i = 0; i < 8; ++i) {
    depths.push_back(length(*utility, 1, {.depth = 8}));
    const DraftTree tree = chain(std::vector<double>(static_cast<std::size_t>(depths.back()), 1));
    utility->observe({tree, accepted(depths.back()), {}, 0.01 * (1 + 0.4 * depths.back())});
  }
  EXPECT_EQ(depths, (std::vector<int>{0, 0, 1, 1, 3, 3, 3, 3}));
}

TEST(AcceptanceTable, ABinThatSawLittleFollowsTheWhole) {
  AcceptanceTable table;
  EXPECT_NEAR(table.acceptance(0.95), 0.975, 1e-12);  // half of the doubt
  EXPECT_NEAR(table.acceptance(1), 0.975, 1e-12);
  EXPECT_NEAR(table.acceptance(0), 0.525, 1e-12);
  for (int i = 0; i < 1000; ++i) table.learn(0.75, i % 10 < 3);
  EXPECT_NEAR(table.acceptance(0.78), 0.3, 0.01);
  const double factor = (1 + 700.0) / (2 + 250);
  EXPECT_NEAR(table.acceptance(0.95), 1 - 0.05 * factor, 1e-9);
  EXPECT_EQ(table.acceptance(0.3), 0);
  for (int i = 0; i < 10000; ++i) table.meet(0.75);
  EXPECT_NEAR(table.expected([](double acceptance) { return 2 * acceptance; }), 0.6, 0.02);
}

// A pass costs so much more with each row, a guess that much.
class EvenCost : public RowCost {
 public:
  double row = 0.5, look = 0;
  ReadCost guess() const override { return {.read = look}; }
  ReadCost added(const DraftTree&, const std::optional<TokenId>& token) override {
    return {.read = token == TokenId{7} ? 0 : row};
  }
};

TEST(ExpertAwarePolicy, GuessesWhileTheGainIsWorthTheRow) {
  EvenCost cost;
  const Budget budget{.depth = 8, .cost = &cost};
  const auto aware = policy("expert-aware");
  EXPECT_EQ(length(*aware, 0.45, budget), 2);  // 0.725^2 > 0.5 > 0.725^3
  EXPECT_EQ(length(*aware, 0.75, budget), 5);  // 0.875^5 > 0.5 > 0.875^6
  cost.row = 0.1;
  EXPECT_EQ(length(*aware, 0.75, budget), 8);
  cost.row = 0.5;
  cost.look = 0.5;
  EXPECT_EQ(length(*aware, 0.75, budget), 0);  // to look costs more than it may find
  cost.row = 1.5;
  EXPECT_FALSE(aware->extend(chain({}), 0, budget));  // no guess is worth it, so there is no need to look
  EXPECT_TRUE(aware->adds(chain({}), 0, {TokenId{7}, 0.2, 0, true}, budget));  // its experts are there
}

TEST(ExpertAwarePolicy, LearnsWhatConfidenceIsWorth) {
  EvenCost cost;
  const Budget budget{.depth = 1, .cost = &cost};
  const auto aware = policy("expert-aware", {{"probe", "4"}});
  std::vector<int> guesses;
  for (int i = 0; i < 60; ++i) {
    guesses.push_back(length(*aware, 0.75, budget));
    const DraftTree tree = chain(std::vector<double>(static_cast<std::size_t>(guesses.back()), 0.75));
    aware->observe({tree, accepted(0), {.read = 1 + 0.55 * guesses.back()}});
  }
  EXPECT_EQ(guesses.front(), 1);
  EXPECT_EQ(std::ranges::count(std::span(guesses).last(20), 1), 4);  // probes: every fifth step
}

TEST(ExpertAwarePolicy, LearnsFromTestedGuessesOnly) {
  EvenCost cost;
  cost.row = 0.6;
  const Budget budget{.depth = 2, .cost = &cost};
  const auto aware = policy("expert-aware");
  for (int i = 0; i < 50; ++i) {
    DraftTree tree(TokenId{0}, 10);
    const auto add = [&](int parent, double sureness) {
      ASSERT_TRUE(aware->adds(tree, parent, {TokenId{7}, sureness, 0, true}, budget));
      tree.add(parent, TokenId{7}, {}, sureness);
    };
    add(0, 0.55);
    add(1, 0.95);  // below a rejected guess
    aware->observe({tree, accepted(0), {.read = 1}});
  }
  EXPECT_TRUE(aware->adds(chain({}), 0, {TokenId{1}, 0.95, 0, true}, budget));   // none of these was tested
  EXPECT_FALSE(aware->adds(chain({}), 0, {TokenId{1}, 0.55, 0, true}, budget));  // these were all wrong
}

TEST(PassForecast, CountsTheExpertsThatAGuessAdds) {
  const ToyModel target({.vocab = 8, .experts = 6});
  RoutingTable routing;
  const std::vector<TokenId> tokens{TokenId{0}, TokenId{1}, TokenId{2}};
  const std::vector<RouterUse> uses{{0, 1, 0}, {0, 1, 1}, {1, 1, 1}, {1, 1, 2}, {2, 1, 0}, {2, 1, 1}};
  routing.learn(tokens, uses);
  PassForecast forecast(target, routing, 30);
  const double plain = 100 + 1 + 2 * 7;
  EXPECT_DOUBLE_EQ(forecast.guess().read, 30 / plain);
  forecast.begin();
  DraftTree tree(TokenId{0}, 10);
  EXPECT_DOUBLE_EQ(forecast.added(tree, TokenId{2}).read, 1 / plain);
  EXPECT_DOUBLE_EQ(forecast.added(tree, TokenId{1}).read, (1 + 0.75 * 7) / plain);
  EXPECT_DOUBLE_EQ(forecast.added(tree, {}).read, (1 + 0.75 * 7 * 2 * (1 - 2.0 / 6)) / plain);
  EXPECT_DOUBLE_EQ(forecast.added(tree, TokenId{5}).read, forecast.added(tree, {}).read);  // never seen
  tree.add(0, TokenId{1});
  EXPECT_DOUBLE_EQ(forecast.added(tree, TokenId{1}).read, 1 / plain);
  EXPECT_DOUBLE_EQ(forecast.added(tree, {}).read, (1 + 0.75 * 7 * 2 * (1 - 3.0 / 6)) / plain);
  // One expert more was forecast, and three came; as if 1.5 of two had come before.
  forecast.expect(tree);
  forecast.learn(std::vector<RouterUse>{{0, 1, 0}, {0, 1, 3}, {1, 1, 1}, {1, 1, 4}, {1, 1, 5}}, 0);
  forecast.begin();
  EXPECT_DOUBLE_EQ(forecast.added(DraftTree(TokenId{0}, 10), TokenId{1}).read, (1 + 7 * (1.5 + 3) / (2 + 1)) / plain);
  const ReadCost cost = forecast.cost_of(2, uses, 30, 0);
  EXPECT_DOUBLE_EQ(cost.read, (100 + 2 + 3 * 7 + 30) / plain);
}

TEST(Outlook, IsOfTheLawAfterTheElderSiblings) {
  const std::vector<float> logits{std::log(0.2F), std::log(0.5F), std::log(0.3F)};
  const auto tokens = likeliest(logits, 3, DraftLaw({}, 3));
  EXPECT_NEAR(tokens[0].confidence, 0.5, 1e-6);
  EXPECT_NEAR(tokens[0].outlook.surest, 0.5, 1e-6);
  EXPECT_NEAR(tokens[1].confidence, 0.3, 1e-6);
  EXPECT_NEAR(tokens[1].outlook.surest, 0.6, 1e-6);
  EXPECT_NEAR(tokens[0].outlook.entropy, -0.2 * std::log(0.2) - 0.5 * std::log(0.5) - 0.3 * std::log(0.3), 1e-6);
  EXPECT_NEAR(tokens[1].outlook.entropy, -0.6 * std::log(0.6) - 0.4 * std::log(0.4), 1e-6);
  EXPECT_NEAR(tokens[2].outlook.surest, 1, 1e-5);
  const Outlook outlook = outlook_of(Distribution({0.2F, 0.5F, 0.3F}));
  EXPECT_EQ(outlook.likeliest, TokenId{1});
  EXPECT_NEAR(outlook.entropy, tokens[0].outlook.entropy, 1e-6);
  const std::vector<float> impossible{0, -INFINITY, -INFINITY};
  EXPECT_EQ(likeliest(impossible, 2, DraftLaw({}, 3))[1].outlook.surest, 0);
}

TEST(PolicyOptions, AreTakenFromThoseOfTheDrafter) {
  DrafterSpec spec = parse_drafter_spec("mtp,k=8,policy=confidence,threshold=0.25,temperature=0.5");
  EXPECT_EQ(take_budget(spec, {}).depth, 8);
  const PolicySpec confidence = take_policy(spec);
  EXPECT_EQ(confidence.kind->name, "confidence");
  EXPECT_EQ(confidence.options, (std::map<std::string, std::string>{{"threshold", "0.25"}}));
  EXPECT_EQ(spec.options, (std::map<std::string, std::string>{{"temperature", "0.5"}}));
  const auto take = [](const char* text) {
    return [text] {
      DrafterSpec bad = parse_drafter_spec(text);
      take_budget(bad, {});
      take_policy(bad);
      const ToyModel target({.mtp_noise = 0.0});
      make_drafter(bad, {.target = target, .capacity = 8});
    };
  };
  expect_error(take("mtp,policy=confidence,treshold=0.2"),
               {"drafter mtp", "'treshold'", "threshold", "temperature", "k"});
  expect_error(take("mtp,threshold=0.2"), {"drafter mtp", "'threshold'", "policy"});
  expect_error(take("mtp,policy=confidence,threshold=2"), {"policy confidence", "threshold=2", "0 to 1"});
  expect_error(take("mtp,policy=confidence,of=word"), {"of=word", "token or path"});
  expect_error(take("mtp,policy=ema,depths=3/1"), {"policy ema", "depths", "ascending"});
  expect_error(take("mtp,policy=ema,depths=0"), {"depths=0", "--draft none"});
  expect_error(take("mtp,policy=utility,cost=money"), {"cost=money", "bytes or time"});
  expect_error(take("mtp,policy=bold"), {"'bold'", "confidence, ema, entropy, expert-aware, fixed, utility"});
}

TEST(StaticTree, IsWrittenAsLevelsOrNodes) {
  const StaticTree even = parse_static_tree("2x2x1");
  EXPECT_EQ(even.guesses(), 2 + 4 + 4);
  EXPECT_EQ(even.depth(), 3);
  EXPECT_EQ(even.width(), 2);
  EXPECT_EQ(even.text(), "2x2x1");
  const StaticTree uneven = parse_static_tree("0.0/0/1/0.1/0.0.0");
  EXPECT_EQ(uneven.guesses(), 5);
  EXPECT_EQ(uneven.text(), "0/1/0.0/0.1/0.0.0");
  EXPECT_EQ(parse_static_tree("0").text(), "1");
  EXPECT_EQ(parse_static_tree("1.0/0/1").text(), "0/1/1.0");
  EXPECT_EQ(parse_static_tree("0/0.0").text(), "1x1");
  for (const char* wrong : {"", "2x", "x2", "2x0", "two", "2x-1", "0/", "0./1", "1/0.a"}) {
    expect_error([&] { parse_static_tree(wrong); }, {"tree=", "3x2x1", "0/1/0.0"});
  }
  expect_error([] { parse_static_tree("0/0.0.0"); }, {"0.0.0", "no parent"});
  expect_error([] { parse_static_tree("0/2"); }, {"2 has no elder sibling of rank 1"});
  expect_error([] { parse_static_tree("0/1/0"); }, {"0 stands there twice"});
  expect_error([] { parse_static_tree("9x9x9"); }, {"up to 256"});
}

TEST(StaticTree, IsABudget) {
  DrafterSpec spec = parse_drafter_spec("mtp,tree=3x1");
  const Budget budget = take_budget(spec, {.depth = 3});
  EXPECT_EQ(budget.depth, 2);
  EXPECT_EQ(budget.width, 3);
  EXPECT_EQ(budget.rows, 6);
  DrafterSpec both = parse_drafter_spec("mtp,tree=3x1,k=4");
  expect_error([&] { take_budget(both, {}); }, {"tree and k", "one of them"});
  DrafterSpec plan = parse_drafter_spec("mtp,k=5,tree=sequoia,ranks=0.6/0.2");
  EXPECT_EQ(take_plan(plan), (std::vector{0.6, 0.2}));
  EXPECT_EQ(take_budget(plan, {}).depth, 5);
  DrafterSpec none = parse_drafter_spec("mtp,tree=sequoia");
  expect_error([&] { take_plan(none); }, {"ranks", "specdec run"});
  DrafterSpec many = parse_drafter_spec("mtp,tree=sequoia,ranks=0.6/0.6");
  expect_error([&] { take_plan(many); }, {"ranks", "1.2"});
}

TEST(StaticTree, GuessesStandWhereItSays) {
  const std::vector<float> logits{0, 3, 2, 1};
  for (const float temperature : {0.0F, 1.0F}) {
    DraftTree tree(TokenId{0}, 10);
    std::vector<float> rows;
    const Budget budget = with_tree({}, parse_static_tree("0/1/2/1.0/1.1/1.0.0"));
    grow(tree, budget, Rng(1), DraftLaw({.temperature = temperature}, 4), [&](std::span<const int> nodes) {
      rows.clear();
      for (std::size_t i = 0; i < nodes.size(); ++i) rows.insert(rows.end(), logits.begin(), logits.end());
      return MatView(rows.data(), static_cast<Eigen::Index>(nodes.size()), 4);
    });
    std::vector<int> parents;
    for (int node = 0; node < tree.size(); ++node) parents.push_back(tree[node].parent);
    EXPECT_EQ(parents, (std::vector<int>{-1, 0, 0, 0, 2, 2, 4})) << temperature;
  }
}

}  // namespace
}  // namespace specdec

#include "draft/drafter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "core/kinds.h"
#include "draft/grow.h"
#include "draft/grow_ranked.h"
#include "draft/options.h"
#include "tests/error_line.h"
#include "tests/temporary_directory.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

TEST(DrafterSpec, SplitsKindPathAndOptions) {
  const DrafterSpec spec = parse_drafter_spec("small:models/a:b,k=4,temperature=0.5");
  EXPECT_EQ(spec.kind, "small");
  EXPECT_EQ(spec.path, "models/a:b");
  EXPECT_EQ(spec.options, (std::map<std::string, std::string>{{"k", "4"}, {"temperature", "0.5"}}));
  EXPECT_EQ(parse_drafter_spec("mtp").kind, "mtp");
  EXPECT_EQ(parse_drafter_spec("mtp,k=1").options.size(), 1U);
}

TEST(DrafterSpec, RefusesWhatIsNoOption) {
  expect_error([] { parse_drafter_spec("mtp,k"); }, {"mtp", "'k'", "key=value"});
  expect_error([] { parse_drafter_spec("mtp,=3"); }, {"'=3'"});
  expect_error([] { parse_drafter_spec("mtp,"); }, {"key=value"});
  expect_error([] { parse_drafter_spec("mtp,k=1,k=2"); }, {"'k'", "twice"});
}

TEST(DrafterSpec, TheBudgetIsTakenOutOfTheOptions) {
  DrafterSpec spec = parse_drafter_spec("small:x,k=4,width=2,temperature=1");
  const Budget budget = take_budget(spec, {.depth = 1, .rows = 7});
  EXPECT_EQ(budget.depth, 4);
  EXPECT_EQ(budget.width, 2);
  EXPECT_EQ(budget.rows, 7);
  EXPECT_EQ(spec.options, (std::map<std::string, std::string>{{"temperature", "1"}}));
  for (const char* wrong :
       {"mtp,k=-1", "mtp,k=65", "mtp,k=two", "mtp,k=3x", "mtp,width=0", "mtp,rows=", "mtp,k=99999999999"}) {
    DrafterSpec bad = parse_drafter_spec(wrong);
    expect_error([&] { take_budget(bad, {}); }, {"drafter mtp", "expected a number from"});
  }
}

TEST(Options, UnknownKeysAreRefusedWithTheKnownOnes) {
  Options options({{"temprature", "1"}}, "drafter small");
  EXPECT_EQ(options.number("temperature", 0.25, 0, 1), 0.25);
  expect_error([&] { options.refuse_unknown(); }, {"drafter small", "temprature", "temperature"});
  Options wrong({{"temperature", "nan"}}, "drafter small");
  expect_error([&] { wrong.number("temperature", 0, 0, 1); }, {"temperature=nan"});
}

TEST(DrafterKinds, AreNamedLikeTheirFiles) {
  std::set<std::string_view> names;
  for (const DrafterKind& kind : drafter_kinds()) {
    EXPECT_FALSE(kind.summary.empty()) << kind.name;
    names.insert(kind.name);
  }
  for (const std::string_view name : {"none", "small", "mtp"}) EXPECT_TRUE(names.contains(name)) << name;
  for (const PolicyKind& kind : policy_kinds()) EXPECT_FALSE(kind.summary.empty()) << kind.name;
  EXPECT_NE(PolicySpec{&find_kind(policy_kinds(), "policy", "fixed")}.make(), nullptr);
}

TEST(DrafterKinds, SayWhatIsMissing) {
  const ToyModel plain({});
  expect_error([&] { make_drafter({"eagel", "", {}}, {.target = plain}); }, {"'eagel'", "mtp", "none", "small"});
  expect_error([&] { make_drafter({"small", "", {}}, {.target = plain}); }, {"draft model", "small:PATH"});
  expect_error([&] { make_drafter({"eagle", "", {}}, {.target = plain}); }, {"eagle", "head", "eagle:PATH"});
  expect_error(
      [&] {
        make_drafter({"mtp", "", {}}, {.target = plain, .capacity = 8});
      },
      {"toy", "no multi-token", "small"});
  expect_error([&] { make_drafter({"none", "", {{"k", "1"}}}, {.target = plain}); }, {"none", "'k'"});
  const ToyModel with_mtp({.mtp_noise = 0.0});
  expect_error(
      [&] {
        make_drafter({"mtp", "", {{"heat", "1"}}}, {.target = with_mtp, .capacity = 8});
      },
      {"drafter mtp", "'heat'", "temperature"});
}

TEST(Replay, GuessesWhatTheTraceSaid) {
  const ToyModel target({});
  const TemporaryDirectory directory;
  const std::string trace =
      directory.write("t.jsonl", "{}\n{\"position\": 4, \"emitted\": [3, 1]}\n{\"position\": 6, \"emitted\": [2]}\n")
          .string();
  const auto guesses = [&](const std::string& right) {
    const auto drafter = make_drafter({"replay", "", {{"text", trace}, {"right", right}}}, {.target = target});
    DraftTree tree(TokenId{0}, 4);
    drafter->propose(tree, {.depth = 8}, Rng(1));
    std::vector<int> tokens;
    for (int node = 1; node < tree.size(); ++node) tokens.push_back(index(tree[node].token));
    return tokens;
  };
  EXPECT_EQ(guesses("1"), (std::vector<int>{3, 1, 2}));
  const std::vector<int> wrong = guesses("0");
  ASSERT_EQ(wrong.size(), 3U);
  EXPECT_NE(wrong[0], 3);
  EXPECT_NE(wrong[1], 1);
  EXPECT_NE(wrong[2], 2);
  const auto refused = [&](const std::string& text, std::initializer_list<std::string_view> words) {
    const std::string path = directory.write("w.jsonl", text).string();
    expect_error([&] { make_drafter({"replay", "", {{"text", path}}}, {.target = target}); }, words);
  };
  expect_error([&] { make_drafter({"replay", "", {}}, {.target = target}); }, {"replay,text=TRACE"});
  refused("{}\n", {"w.jsonl", "no step"});
  refused("{}\n{\"position\": 1}\n", {"w.jsonl:2", "emitted"});
  refused("{}\n{\"position\": 1, \"emitted\": [99999]}\n", {"w.jsonl:2", "a token of this model"});
  refused("{}\nnonsense\n", {"w.jsonl:2"});
}

// A fixed law after every node, so that shapes can be seen.
class Grown {
 public:
  Grown(const Budget& budget, const Sampler& sampler, std::vector<float> logits, const Rng& rng = Rng(1))
      : tree(TokenId{0}, 10) {
    std::vector<float> rows;
    grow(tree, budget, rng, DraftLaw(sampler, static_cast<int>(logits.size())), [&](std::span<const int> nodes) {
      passes.emplace_back(nodes.begin(), nodes.end());
      rows.clear();
      for (std::size_t i = 0; i < nodes.size(); ++i) rows.insert(rows.end(), logits.begin(), logits.end());
      return MatView(rows.data(), static_cast<Eigen::Index>(nodes.size()), static_cast<Eigen::Index>(logits.size()));
    });
  }
  DraftTree tree;
  std::vector<std::vector<int>> passes;
};

using Passes = std::vector<std::vector<int>>;

TEST(Grow, AChainIsOnePassPerGuess) {
  const Grown grown({.depth = 3}, {}, {0, 2, 1});
  EXPECT_EQ(grown.passes, (Passes{{0}, {1}, {2}}));
  ASSERT_EQ(grown.tree.size(), 4);
  for (int node = 1; node < 4; ++node) {
    EXPECT_EQ(grown.tree[node].token, TokenId{1});
    EXPECT_EQ(grown.tree[node].parent, node - 1);
    EXPECT_FALSE(grown.tree[node].q);
  }
  EXPECT_EQ(grown.tree.position(3), 13);
}

TEST(Grow, NothingWithoutDepth) { EXPECT_EQ(Grown({.depth = 0}, {}, {0, 2, 1}).passes.size(), 0U); }

TEST(Grow, SideBranchesAlongTheSurestPath) {
  const Grown grown({.depth = 3, .width = 2}, {}, {0, 2, 1});
  EXPECT_EQ(grown.passes, (Passes{{0}, {1}, {3}}));
  ASSERT_EQ(grown.tree.guesses(), 6);
  EXPECT_EQ(grown.tree[1].token, TokenId{1});
  EXPECT_EQ(grown.tree[2].token, TokenId{2});
  for (const int node : {1, 2}) {
    EXPECT_NEAR(grown.tree[node].confidence, std::exp(3 - node) / (1 + std::exp(1) + std::exp(2)), 1e-6);
  }
  EXPECT_EQ(grown.tree.depth(), 3);
}

TEST(Grow, MoreRowsWidenTheTree) {
  const Grown grown({.depth = 2, .width = 2, .rows = 6}, {}, {0, 2, 1});
  EXPECT_EQ(grown.passes, (Passes{{0}, {1, 2}}));
  EXPECT_EQ(grown.tree.guesses(), 6);
}

TEST(Grow, RowsAreALimit) {
  for (int rows = 1; rows <= 12; ++rows) {
    const Grown grown({.depth = 4, .width = 3, .rows = rows}, {.temperature = 1}, {0, 2, 1, 0.5F});
    EXPECT_LE(grown.tree.guesses(), rows);
    EXPECT_LE(grown.tree.depth(), 4);
    EXPECT_GE(grown.tree.guesses(), std::min(rows, 4));
  }
}

TEST(Grow, SiblingsAreDrawnWithoutReplacementAndKeepTheirLaw) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Grown grown({.depth = 1, .width = 4}, {.temperature = 1}, {0, 2, 1, -INFINITY}, Rng(seed));
    ASSERT_EQ(grown.tree.guesses(), 3);  // the fourth token is impossible
    std::set<TokenId> tokens;
    for (int node = 1; node <= 3; ++node) {
      const Node& guess = grown.tree[node];
      EXPECT_GT((*guess.q)[guess.token], 0);
      for (const TokenId elder : tokens) EXPECT_EQ((*guess.q)[elder], 0);
      tokens.insert(guess.token);
    }
    EXPECT_EQ(tokens.size(), 3U);
  }
}

TEST(Grow, ADrawDoesNotDependOnHowFarOthersAreDrafted) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Grown shorter({.depth = 2}, {.temperature = 1}, {0, 2, 1, 1.5F}, Rng(seed));
    const Grown longer({.depth = 6}, {.temperature = 1}, {0, 2, 1, 1.5F}, Rng(seed));
    const Grown wider({.depth = 6, .width = 3}, {.temperature = 1}, {0, 2, 1, 1.5F}, Rng(seed));
    EXPECT_EQ(shorter.tree[1].token, longer.tree[1].token);
    EXPECT_EQ(shorter.tree[2].token, longer.tree[2].token);
    EXPECT_EQ(wider.tree[1].token, longer.tree[1].token);
  }
}

TEST(Grow, APolicyStopsBeforeAPass) {
  struct AtMostTwo : Policy {
    bool extend(const DraftTree& tree, int, const Budget&) override { return tree.guesses() < 2; }
    void observe(const StepFacts&) override {}
  } policy;
  EXPECT_LT(Grown({.depth = 1, .policy = &policy}, {}, {0, 2, 1}).tree[1].confidence, 1);
  EXPECT_EQ(Grown({.depth = 5, .policy = &policy}, {}, {0, 2, 1}).passes.size(), 2U);
  EXPECT_EQ(Grown({.depth = 5, .width = 3, .policy = &policy}, {}, {0, 2, 1}).tree.guesses(), 2);
}

// After every node token 1 has 0.6 and token 0 has 0.3 of the probability.
DraftTree ranked(const Budget& budget, int rows, std::vector<std::size_t>& passes) {
  const std::vector<float> logits{std::log(0.3F), std::log(0.6F), std::log(0.1F)};
  DraftTree tree(TokenId{0}, 10);
  std::vector<float> values;
  const auto own_id = [](TokenId token) { return DraftId{index(token)}; };
  grow_ranked(tree, budget, DraftLaw({.temperature = 1}, 3), rows, own_id, [&](const DraftRows& fed) {
    passes.push_back(fed.tokens.size());
    values.clear();
    const std::size_t count = std::max<std::size_t>(fed.tokens.size(), 1);
    for (std::size_t i = 0; i < count; ++i) values.insert(values.end(), logits.begin(), logits.end());
    return MatView(values.data(), static_cast<Eigen::Index>(count), 3);
  });
  return tree;
}

// 0.6, 0.36, 0.3 and 0.216 are the surest of all: a chain of three and one side branch.
TEST(GrowRanked, KeepsTheSurestOfAllThatWereSeen) {
  std::vector<std::size_t> passes;
  const DraftTree tree = ranked({.depth = 3, .width = 2, .rows = 4}, 100, passes);
  EXPECT_EQ(passes, (std::vector<std::size_t>{0, 2, 2}));
  ASSERT_EQ(tree.guesses(), 4);
  EXPECT_EQ(tree.depth(), 3);
  std::vector<int> parents;
  for (int node = 1; node <= 4; ++node) {
    parents.push_back(tree[node].parent);
    EXPECT_FALSE(tree[node].q);
  }
  EXPECT_EQ(parents, (std::vector{0, 0, 1, 3}));
  EXPECT_EQ(tree[2].token, TokenId{0});
}

TEST(GrowRanked, FeedsNoMoreRowsThanThereIsRoomFor) {
  std::vector<std::size_t> passes;
  EXPECT_EQ(ranked({.depth = 8, .width = 3, .rows = 64}, 4, passes).depth(), 3);
  EXPECT_EQ(passes, (std::vector<std::size_t>{0, 3, 1}));
}

DraftLaw law_over(int vocab, const std::vector<std::optional<TokenId>>& tokens) {
  return {{.temperature = 1}, vocab, std::make_shared<const DraftColumns>(columns_of(tokens))};
}

TEST(DraftLaw, TokensThatTheDrafterCannotSayHaveProbabilityZero) {
  const DraftLaw law = law_over(5, {TokenId{1}, std::nullopt, TokenId{3}});
  const std::vector<float> logits{0, 9, 0};
  std::vector<float> buffer;
  const Distribution q = law.of(law.known(logits, buffer));
  EXPECT_EQ(q.size(), 5);
  EXPECT_NEAR(q[TokenId{1}], 0.5, 1e-12);
  EXPECT_NEAR(q[TokenId{3}], 0.5, 1e-12);
}

TEST(DraftLaw, ColumnsMayBeTokensInAnyOrder) {
  const DraftLaw law = law_over(3, {TokenId{2}, TokenId{0}, TokenId{1}});
  const std::vector<float> logits{0, 1, 1};
  std::vector<float> buffer;
  const auto known = law.known(logits, buffer);
  EXPECT_EQ(law.token(static_cast<std::size_t>(argmax(known))), TokenId{0});  // of equals the lowest token
  const Distribution q = law.of(known);
  EXPECT_NEAR(q[TokenId{0}] / q[TokenId{2}], std::exp(1), 1e-6);
  EXPECT_EQ(q[TokenId{0}], q[TokenId{1}]);
}

TEST(DraftLaw, PaddingOfALargerDraftVocabularyIsLeftOut) {
  const DraftLaw law({.temperature = 1}, 2);
  const std::vector<float> logits{0, 0, 9};
  std::vector<float> buffer;
  const Distribution q = law.of(law.known(logits, buffer));
  EXPECT_EQ(q.size(), 2);
  EXPECT_NEAR(q[TokenId{1}], 0.5, 1e-12);
}

}  // namespace
}  // namespace specdec

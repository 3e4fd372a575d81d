#include "experiments/acceptance.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "core/batch.h"
#include "tests/error_line.h"
#include "tests/text_toy_model.h"
#include "tests/toy_tokenizers.h"

namespace specdec {
namespace {

// A target and a drafter that speak one language with two tokenizers.
struct Pair {
  LoadedTarget target;
  LoadedDrafter drafter;

  Pair(std::unique_ptr<Tokenizer> ours, std::shared_ptr<const Tokenizer> theirs, const std::string& bridge,
       double noise) {
    target.name = "target";
    target.model = std::make_unique<TextToyModel>(*ours, TextToyOptions{});
    target.tokenizer = std::move(ours);
    drafter.spec.kind = "small";
    drafter.spec.path = "draft";
    drafter.model = std::make_shared<TextToyModel>(*theirs, TextToyOptions{.noise = noise});
    drafter.tokenizer = std::move(theirs);
    drafter.bridge = make_bridge(bridge, sides_between(target, drafter));
  }
};

std::unique_ptr<Tokenizer> letters() { return toy_tokenizer({"a", "b", "c", "ab", "\n"}, {{"a", "b"}}); }

const std::string kText = "abcacbbacabacccbabcaabc";

TEST(Acceptance, ADraftThatIsTheTargetIsAlwaysAccepted) {
  const Pair pair(letters(), letters(), "identity", 0);
  const FirstGuess guess = first_guess(pair.target, pair.drafter, kText);
  EXPECT_EQ(guess.positions, static_cast<int>(pair.target.tokenizer->encode(kText).size()));
  EXPECT_EQ(guess.guessed, guess.positions);
  EXPECT_NEAR(guess.sampled, 1, 1e-7);
  EXPECT_EQ(guess.greedy, 1);
  const SharedMass mass = shared_mass(pair.target, pair.drafter, kText);
  EXPECT_NEAR(mass.target, 1, 1e-7);
  EXPECT_NEAR(mass.draft, 1, 1e-7);
}

// On a text of shared letters alone the drafter's context is the text letter by letter, so all can be added up here.
TEST(Acceptance, ThroughTliItIsTheSumOverSharedStrings) {
  const std::string text = "acbbcacacccb";  // without "ab", which only the target has, and "bcb", only the draft's
  const Pair pair(letters(), toy_tokenizer({"b", "c", "a", "cb"}, {}), "tli", 2);
  const auto rows = [](const Model& model, const std::vector<TokenId>& tokens) {
    const auto state = model.new_state(64);
    const Output out = model.forward(chain_of(tokens), *state, {});
    std::vector<Distribution> laws;
    for (int row = 0; row < out.logits.rows(); ++row) {
      laws.push_back(Sampler{.temperature = 1}.distribution_of_row(out.logits, row));
    }
    return laws;
  };
  const auto p = rows(*pair.target.model, pair.target.tokenizer->encode(text));
  const auto q = rows(*pair.drafter.model, pair.drafter.tokenizer->encode(text));
  ASSERT_EQ(p.size(), text.size());
  ASSERT_EQ(q.size(), text.size());
  double sampled = 0, target = 0, draft = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double shared = q[i][TokenId{0}] + q[i][TokenId{1}] + q[i][TokenId{2}];
    const int draft_of[] = {2, 0, 1};  // a, b, c
    for (int id = 0; id < 3; ++id) {
      sampled += std::min(p[i][TokenId{id}], q[i][TokenId{draft_of[id]}] / shared);
      target += p[i][TokenId{id}];
    }
    draft += shared;
  }
  const auto count = static_cast<double>(p.size());
  const FirstGuess guess = first_guess(pair.target, pair.drafter, text);
  const SharedMass mass = shared_mass(pair.target, pair.drafter, text);
  EXPECT_NEAR(guess.sampled, sampled / count, 1e-6);
  EXPECT_NEAR(mass.target, target / count, 1e-6);
  EXPECT_NEAR(mass.draft, draft / count, 1e-6);
  EXPECT_LE(guess.sampled, mass.target);
}

TEST(Acceptance, ALongTextIsReadInParts) {
  const Pair pair(letters(), letters(), "slem", 0.5);
  std::string text;
  while (text.size() < 10000) text += kText + "\n";
  const FirstGuess guess = first_guess(pair.target, pair.drafter, text);
  EXPECT_GT(guess.guessed, 6000);
  EXPECT_GT(guess.greedy, 0.5);
}

TEST(Acceptance, WithoutTokenizersNothingCanBeShared) {
  Pair pair(letters(), letters(), "identity", 0);
  pair.drafter.tokenizer = nullptr;
  expect_error([&] { shared_mass(pair.target, pair.drafter, kText); }, {"target", "draft", "tokenizers"});
}

}  // namespace
}  // namespace specdec

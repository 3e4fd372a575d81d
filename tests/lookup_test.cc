// Drafters that look at the text alone, on texts made by hand: ngram and suffix.
#include <gtest/gtest.h>

#include <algorithm>
#include <any>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "draft/drafter.h"
#include "draft/suffix_automaton.h"
#include "tests/error_line.h"
#include "tests/temporary_directory.h"
#include "tests/toy_model.h"
#include "tests/toy_tokenizers.h"

namespace specdec {
namespace {

using Options = std::map<std::string, std::string>;

std::vector<TokenId> letters(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char letter : text) tokens.push_back(TokenId{letter});
  return tokens;
}

// What a drafter guesses after a text whose last token is the anchor: every branch, from the anchor down.
class Guesses {
 public:
  Guesses(const std::string& kind, const Options& options, std::string_view text, const Budget& budget)
      : tree(TokenId{text.back()}, static_cast<int>(text.size()) - 1) {
    const ToyModel target({.vocab = 128});
    const auto drafter = make_drafter({kind, "", options}, {.target = target, .capacity = 256});
    const std::vector<TokenId> told = letters(text.substr(0, text.size() - 1));
    drafter->observe({told, {}, {}});
    drafter->propose(tree, budget, Rng(1));
    cost = drafter->cost();
  }
  std::vector<std::string> branches() const {
    std::vector<std::string> all;
    for (int leaf = 1; leaf < tree.size(); ++leaf) {
      if (tree.has_children(leaf)) continue;
      std::string branch;
      for (int node = leaf; node > 0; node = tree[node].parent) branch += static_cast<char>(index(tree[node].token));
      all.emplace_back(branch.rbegin(), branch.rend());
    }
    return all;
  }

  DraftTree tree;
  DraftCost cost;
};

using Branches = std::vector<std::string>;

Branches ngram(std::string_view text, const Budget& budget, const Options& options = {}) {
  return Guesses("ngram", options, text, budget).branches();
}
Branches suffix(std::string_view text, const Budget& budget, const Options& options = {}) {
  return Guesses("suffix", options, text, budget).branches();
}

TEST(Ngram, TheLongestMatchGoesBeforeALaterShorterOne) {
  EXPECT_EQ(ngram("xabcPQRS.yc123.xabc", {.depth = 3}), (Branches{"PQR"}));
  EXPECT_EQ(ngram("xabcPQRS.yc123.xabc", {.depth = 3}, {{"max", "1"}}), (Branches{"123"}));
}

TEST(Ngram, OfEqualMatchesTheMostRecentGoesFirst) {
  EXPECT_EQ(ngram("abc1.abc2.abc3.abc", {.depth = 1}), (Branches{"3"}));
}

TEST(Ngram, NothingWithoutAMatchOfTheLeastLength) {
  EXPECT_EQ(ngram("abcdef", {.depth = 3}), Branches{});
  EXPECT_EQ(ngram("a", {.depth = 3}), Branches{});
  EXPECT_EQ(ngram("xbcQ.ybcR.zc", {.depth = 1}), (Branches{"R"}));
  EXPECT_EQ(ngram("xbcQ.ybcR.zc", {.depth = 1}, {{"min", "2"}}), Branches{});
  EXPECT_EQ(ngram("abcabc", {.depth = 0}), Branches{});
}

TEST(Ngram, AMatchThatReachesTheEndOfTheTextGoesOnAsALoop) {
  EXPECT_EQ(ngram("aaaa", {.depth = 5}), (Branches{"aaaaa"}));
  EXPECT_EQ(ngram("xyzxyz", {.depth = 7}), (Branches{"xyzxyzx"}));
}

TEST(Ngram, BranchesGoOnWithDifferentTokens) {
  const Branches three{"4.ab", "3.ab", "2.ab"};
  EXPECT_EQ(ngram("ab1.ab2.ab3.ab3.ab4.ab", {.depth = 4, .width = 3}), three);
  EXPECT_EQ(ngram("ab1.ab2.ab3.ab3.ab4.ab", {.depth = 4, .width = 3, .rows = 6}), (Branches{"4.ab", "3."}));
}

TEST(Ngram, ShorterMatchesFillTheBranchesThatLongerOnesLeave) {
  EXPECT_EQ(ngram("xabQ.yabR.zbS.xab", {.depth = 1, .width = 3}), (Branches{"Q", "R", "S"}));
}

TEST(Ngram, GuessesAreCertainAndCostNothing) {
  const Guesses guesses("ngram", {}, "abcdabcdab", {.depth = 4, .width = 2});
  for (int node = 1; node < guesses.tree.size(); ++node) EXPECT_FALSE(guesses.tree[node].q);
  EXPECT_EQ(guesses.cost.bytes, 0);
  EXPECT_EQ(guesses.cost.passes, 0);
}

TEST(Ngram, RefusesWhatItCannotDo) {
  const ToyModel target({});
  const auto make = [&](const Options& options) { make_drafter({"ngram", "", options}, {.target = target}); };
  expect_error([&] { make({{"min", "4"}}); }, {"drafter ngram", "min=4", "max=3"});
  expect_error([&] { make({{"max", "0"}}); }, {"max=0", "1 to 64"});
  expect_error([&] { make({{"length", "2"}}); }, {"'length'", "max", "min"});
  expect_error([&] { make_drafter(parse_drafter_spec("ngram:notes.txt"), {.target = target}); },
               {"ngram", "reads no checkpoint"});
}

// Every text of its kind, looked at by brute force.
class Slow {
 public:
  explicit Slow(std::string text) : text_(std::move(text)) {}
  int times(const std::string& part) const {
    int count = 0;
    for (std::size_t at = text_.find(part); at != std::string::npos; at = text_.find(part, at + 1)) ++count;
    return count;
  }
  std::string longest_match(std::size_t most) const {
    for (std::size_t length = std::min(most, text_.size()); length > 0; --length) {
      const std::string end = text_.substr(text_.size() - length);
      if (times(end) > 1) return end;
    }
    return "";
  }

 private:
  std::string text_;
};

TEST(SuffixAutomaton, FindsWhatBruteForceFinds) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const int letters = 1 + static_cast<int>(seed % 4);
    const int longest = 1 + static_cast<int>(seed % 7);
    SuffixAutomaton automaton(longest);
    std::string text;
    for (std::uint64_t i = 0; i < 120; ++i) {
      const char letter = static_cast<char>('a' + static_cast<int>(Rng(seed).uniform(i) * letters));
      text += letter;
      automaton.add(TokenId{letter});
      const Slow slow(text);
      auto context = automaton.longest_match();
      std::string match = slow.longest_match(static_cast<std::size_t>(longest));
      ASSERT_EQ(context.length, static_cast<int>(match.size())) << text;
      for (; context.length > 0; context = automaton.shorter(context)) {
        match = match.substr(match.size() - static_cast<std::size_t>(context.length));
        int before = 1 << 30;
        std::set<char> seen;
        for (const auto& next : automaton.followers(context).tokens) {
          const char follower = static_cast<char>(index(next.token));
          ASSERT_EQ(next.count, slow.times(match + follower)) << text << ": " << match << follower;
          ASSERT_LE(next.count, before);
          before = next.count;
          seen.insert(follower);
        }
        for (char other = 'a'; other < 'a' + letters; ++other) {
          ASSERT_EQ(seen.contains(other), slow.times(match + other) > 0) << text << ": " << match << other;
        }
      }
    }
    EXPECT_LE(automaton.states(), 2 * text.size());
  }
}

TEST(SuffixAutomaton, NothingFollowsTheEndOfADocument) {
  SuffixAutomaton automaton(8);
  for (const TokenId token : letters("xab")) automaton.add(token);
  automaton.add_end();
  for (const TokenId token : letters("yab")) automaton.add(token);
  const auto match = automaton.longest_match();
  EXPECT_EQ(match.length, 2);
  EXPECT_TRUE(automaton.followers(match).tokens.empty());
  EXPECT_EQ(automaton.followers(match).total, 1);
}

TEST(Suffix, TheMostFrequentGoesFirstAndOfEqualsTheLast) {
  EXPECT_EQ(suffix("ab1.ab2.ab2.ab3.ab", {.depth = 1}), (Branches{"2"}));
  EXPECT_EQ(suffix("ab1.ab2.ab3.ab", {.depth = 1}), (Branches{"3"}));
  EXPECT_EQ(suffix("ab1.ab2.ab2.ab3.ab", {.depth = 1, .width = 3}), (Branches{"2", "3", "1"}));
}

TEST(Suffix, TheLongestMatchDecidesHoweverRare) {
  EXPECT_EQ(suffix("xyabQ.abR.abR.abR.xyab", {.depth = 1}), (Branches{"Q"}));
  EXPECT_EQ(suffix("xyabQ.abR.abR.abR.xyab", {.depth = 1}, {{"max", "2"}}), (Branches{"R"}));
}

TEST(Suffix, NothingWithoutAMatchOfTheLeastLength) {
  EXPECT_EQ(suffix("abcdef", {.depth = 3}), Branches{});
  EXPECT_EQ(suffix("abcQ.zc", {.depth = 1}), (Branches{"Q"}));
  EXPECT_EQ(suffix("abcQ.zc", {.depth = 1}, {{"min", "2"}}), Branches{});
}

TEST(Suffix, ALoopGoesOn) { EXPECT_EQ(suffix("abcabcabc", {.depth = 7}), (Branches{"abcabca"})); }

TEST(Suffix, ConfidenceIsHowOftenATokenFollowed) {
  const Guesses guesses("suffix", {{"max", "2"}}, "ab1.ab2.ab2.ab2.ab", {.depth = 2, .width = 2, .rows = 3});
  ASSERT_EQ(guesses.tree.guesses(), 3);
  EXPECT_NEAR(guesses.tree[1].confidence, 0.75, 1e-12);
  EXPECT_EQ(guesses.tree[2].parent, 1);  // 0.75 for sure goes before 0.25
  EXPECT_NEAR(guesses.tree[2].confidence, 1, 1e-12);
  EXPECT_EQ(guesses.tree[3].parent, 0);
  EXPECT_NEAR(guesses.tree[3].confidence, 0.25, 1e-12);
  for (int node = 1; node <= 3; ++node) EXPECT_FALSE(guesses.tree[node].q);
}

// After "ab" came Q, one token once: half of the chance is left for what came after "b", and S was one of two there.
TEST(Suffix, AShorterContextFillsTheBranchesThatALongerOneLeaves) {
  const Guesses guesses("suffix", {}, "abQ.zbS.ab", {.depth = 1, .width = 2});
  EXPECT_EQ(guesses.branches(), (Branches{"Q", "S"}));
  EXPECT_NEAR(guesses.tree[2].confidence, 0.25, 1e-12);
}

TEST(Suffix, APolicyStopsIt) {
  struct Surely : Policy {
    bool extend(const DraftTree& tree, int node, const Budget&) override { return tree[node].depth < 2; }
    void observe(const StepFacts&) override {}
  } policy;
  EXPECT_EQ(suffix("abcabcabc", {.depth = 7, .policy = &policy}), (Branches{"ab"}));
  EXPECT_EQ(ngram("abcabcabc", {.depth = 7, .policy = &policy}), (Branches{"ab"}));
}

TEST(Suffix, ReadsATraceAsACorpus) {
  const TemporaryDirectory directory;
  const std::string trace =
      directory.write("t.jsonl", "{}\n{\"position\": 4, \"emitted\": [65, 66]}\n{\"position\": 6, \"emitted\": [67]}\n")
          .string();
  EXPECT_EQ(suffix("zA", {.depth = 4}, {{"corpus", trace}}), (Branches{"BC"}));
  EXPECT_EQ(suffix("zA", {.depth = 4}), Branches{});
  const ToyModel target({});
  const auto make = [&](const Options& options) { make_drafter({"suffix", "", options}, {.target = target}); };
  expect_error([&] { make({{"corpus", trace}}); }, {"t.jsonl:2", "a token of this model"});
  expect_error([&] { make({{"corpus", "none.jsonl"}}); }, {"none.jsonl", "cannot be read"});
  expect_error([&] { make({{"corpus", "notes.txt"}}); }, {"notes.txt", "toy", "no tokenizer", ".jsonl"});
  expect_error([&] { make({{"min", "65"}}); }, {"drafter suffix", "min=65", "max=64"});
}

TEST(Suffix, ReadsATextAsACorpus) {
  const TemporaryDirectory directory;
  const std::string text = directory.write("notes.txt", "abcd").string();
  const auto tokenizer = toy_tokenizer({"a", "b", "c", "d"}, {});
  const ToyModel target({});
  const auto drafter = make_drafter({"suffix", "", {{"corpus", text}}},
                                    {.target = target, .tokenizer = tokenizer.get(), .capacity = 16});
  DraftTree tree(TokenId{1}, 0);
  drafter->propose(tree, {.depth = 4}, Rng(1));
  ASSERT_EQ(tree.guesses(), 2);  // to the end of the text, which nothing follows
  EXPECT_EQ(tree[1].token, TokenId{2});
  EXPECT_EQ(tree[2].token, TokenId{3});
}

TEST(Suffix, ACorpusIsReadOnceForAllTextsThatKeepIt) {
  TemporaryDirectory directory;
  const std::string trace = directory.write("t.jsonl", "{}\n{\"position\": 4, \"emitted\": [65, 66, 67]}\n").string();
  const ToyModel target({.vocab = 128});
  const auto kept = std::make_shared<std::any>();
  const auto guesses = [&] {
    const auto drafter = make_drafter({"suffix", "", {{"corpus", trace}}}, {.target = target, .kept = kept});
    DraftTree tree(TokenId{65}, 0);
    drafter->propose(tree, {.depth = 4}, Rng(1));
    return tree.guesses();
  };
  EXPECT_EQ(guesses(), 2);
  directory.write("t.jsonl", "{}\n");
  EXPECT_EQ(guesses(), 2);  // and nothing of the text before
}

// "ca" was followed by the end alone: half of the chance is left for what came after "a".
TEST(Suffix, WhereADocumentEndsAShorterContextGoesOn) {
  const TemporaryDirectory directory;
  const std::string trace =
      directory.write("t.jsonl", "{}\n{\"position\": 4, \"emitted\": [97, 98, 99, 97]}\n").string();
  const Guesses guesses("suffix", {{"corpus", trace}}, "zc", {.depth = 2});
  EXPECT_EQ(guesses.branches(), (Branches{"ab"}));
  EXPECT_NEAR(guesses.tree[1].confidence, 1, 1e-12);
  EXPECT_NEAR(guesses.tree[2].confidence, 0.25, 1e-12);
}

}  // namespace
}  // namespace specdec

// What a run recorded, judged again: the same with its own settings, and what other rules and shorter drafts would have
// made of it.
#include "experiments/replay.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "experiments/g_test.h"
#include "tests/error_line.h"
#include "tests/file_contents.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

class Recorded : public testing::Test {
 protected:
  std::string record(const std::string& name, std::vector<std::string> more) {
    const std::string path = (directory_.path() / name).string();
    std::vector<std::string> words{SPECDEC_PROGRAM, "run", "--target", "demo-moe", "--max-tokens", "48",
                                   "--seed",        "7",   "--record", path};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = run_program(words);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return path;
  }

  TemporaryDirectory directory_;
};

TEST_F(Recorded, ItsOwnSettingsReproduceTheRun) {
  const std::vector<std::vector<std::string>> runs{
      {"--draft", "mtp,k=4"},
      {"--draft", "mtp,k=4", "--temperature", "1"},
      {"--draft", "mtp,k=4", "--temperature", "0.8", "--top-p", "0.9", "--rule", "block"},
      {"--draft", "mtp,k=3,width=2", "--temperature", "1", "--rule", "traversal"},
      {"--draft", "mtp,k=2,width=3", "--temperature", "1", "--rule", "k-seq"},
      {"--draft", "ngram,k=4", "--temperature", "1", "--rule", "target-only"},
      {"--draft", "mtp,k=4", "--rule", "relaxed"},
  };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Recording recording = read_recording(record(std::to_string(i), runs[i]));
    const Replayed replayed = replay(recording, own_settings(recording));
    EXPECT_EQ(replayed.same_as_recorded, replayed.steps) << i;
    EXPECT_GT(replayed.steps, 10);
    EXPECT_FALSE(replayed.first_difference);
  }
}

TEST_F(Recorded, TheLikeliestTokensAreEnoughForAcceptance) {
  const std::vector<std::string> run{"--draft", "mtp,k=4", "--temperature", "1"};
  std::vector<std::string> cut = run;
  cut.insert(cut.end(), {"--record-top", "32"});
  const Recording all = read_recording(record("all", run)), top = read_recording(record("top", cut));
  const Replayed from_all = replay(all, own_settings(all)), from_top = replay(top, own_settings(top));
  EXPECT_NEAR(from_top.tokens_per_pass.value, from_all.tokens_per_pass.value, 0.02);
  EXPECT_GT(largest_rest(top), 0);
  EXPECT_EQ(largest_rest(all), 0);
  ReplayOptions colder = own_settings(top);
  colder.sampler.temperature = 0.5;
  expect_error([&] { replay(top, colder); }, {"32 likeliest", "--record-top"});
}

TEST_F(Recorded, ShorterDraftsAreThoseOfAShorterRunAsFarAsItsPassesAreTheSame) {
  const Recording recording = read_recording(record("greedy", {"--draft", "mtp,k=4"}));
  ReplayOptions one = own_settings(recording);
  one.budget.depth = 1;
  const Replayed shorter = replay(recording, one), whole = replay(recording, own_settings(recording));
  EXPECT_LT(shorter.tokens_per_pass.value, whole.tokens_per_pass.value);
  EXPECT_DOUBLE_EQ(shorter.conditional.at(0), whole.conditional.at(0));
  EXPECT_LE(shorter.tokens_per_pass.high, 2);
  one.budget.depth = 9;
  expect_error([&] { replay(recording, one); }, {"k = 9", "4 guesses"});
}

// However little of a greedy run is recorded, and however much chance the rest has together.
TEST_F(Recorded, OneTokenIsEnoughOfAGreedyRun) {
  const Recording recording = read_recording(record("one", {"--draft", "mtp,k=4", "--record-top", "1"}));
  const Replayed replayed = replay(recording, own_settings(recording));
  EXPECT_EQ(replayed.same_as_recorded, replayed.steps);
  ReplayOptions relaxed = own_settings(recording);
  relaxed.rule = "relaxed";
  expect_error([&] { replay(recording, relaxed); }, {"1 likeliest", "--record-top"});
}

// One pass after the laws p and q of four tokens, whose guess was drawn from q.
Recording one_guess(const std::vector<float>& p, const std::vector<float>& q, int passes) {
  Recording recording{.path = "",
                      .sampler = {.temperature = 1},
                      .rule = "sampled",
                      .target = "",
                      .drafter = "",
                      .eos = {},
                      .vocab = static_cast<int>(p.size()),
                      .steps = {}};
  std::vector<float> logits;
  for (const float chance : p) logits.push_back(std::log(chance));
  for (int i = 0; i < passes; ++i) {
    RecordedStep step{DraftTree(TokenId{0}, i), {}, {}, {TokenId{0}}};
    const Distribution law(q);
    step.tree.add(0, law.sample((i + 0.5) / passes), law);
    step.rows.assign(2, {{}, logits});
    recording.steps.push_back(std::move(step));
  }
  return recording;
}

TEST(Replay, AcceptsAsOftenAsTheRuleSays) {
  const std::vector<float> p{0.1F, 0.2F, 0.3F, 0.4F}, q{0.4F, 0.3F, 0.2F, 0.1F};
  const Recording recording = one_guess(p, q, 400);
  const auto accepted = [&](const std::string& rule) {
    ReplayOptions options = own_settings(recording);
    options.rule = rule;
    return replay(recording, options).tokens_per_pass.value - 1;
  };
  EXPECT_NEAR(accepted("sampled"), 0.6, 0.01);  // the sum of min(p, q)
  EXPECT_NEAR(accepted("block"), 0.6, 0.01);
  EXPECT_NEAR(accepted("matched"), 0.2, 0.01);  // the sum of p q
  EXPECT_EQ(accepted("always-reject"), 0);
}

TEST(Replay, GainsAreOverTheSamePasses) {
  const Recording recording = one_guess({0.1F, 0.2F, 0.3F, 0.4F}, {0.4F, 0.3F, 0.2F, 0.1F}, 400);
  ReplayOptions none = own_settings(recording);
  none.rule = "always-reject";
  const Replayed with = replay(recording, own_settings(recording)), without = replay(recording, none);
  const Interval more = gain(with, without);
  EXPECT_NEAR(more.value, with.tokens_per_pass.value - 1, 1e-12);
  EXPECT_GT(more.low, 0);
}

// Each change of a good file, and what is said of it.
TEST_F(Recorded, DamagedFilesAreNamed) {
  const std::string good = contents(record("good", {"--draft", "mtp,k=2", "--temperature", "1"}));
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return directory_.write("broken", text);
  };
  expect_error([&] { read_recording(broken("\"recorded\"", "\"recoded\"")); }, {":1:", "recorded"});
  expect_error([&] { read_recording(broken("\"vocab\":4096", "\"vocab\":4095")); }, {":2:", "4096 logits", "4095"});
  expect_error([&] { read_recording(broken("\"vocab\":4096", "\"vocab\":-1")); }, {":1:", "vocab"});
  expect_error([&] { read_recording(broken("\"weights\":\"", "\"weights\":\"?")); }, {":2:", "weights", "base64"});
  expect_error([&] { read_recording(broken("\"total\":", "\"total\":-")); }, {":2:", "total"});
  expect_error([&] { read_recording(broken("\"guesses\":[", "\"guesses\":[1,")); }, {":2:", "guesses"});
  expect_error([&] { read_recording(broken("\"guesses\":[", "\"guesses\":[99999,")); }, {":2:"});
  expect_error([&] { read_recording(broken("\"emitted\":[", "\"emitted\":[],\"were\":[")); }, {":2:", "emitted"});
  expect_error([&] { read_recording(broken("\"path\":[0", "\"path\":[0,0")); }, {":2:", "path"});
  const std::string logits = "\"logits\":\"";
  const std::string first = good.substr(good.find(logits), logits.size() + 8);  // and six bytes of the first law
  expect_error([&] { read_recording(broken(first, logits + "AADAfwAA")); }, {":2:", "logit 0", "nan"});
  expect_error([&] { read_recording(broken(first, logits + "AACAfwAA")); }, {":2:", "logit 0", "inf"});
  const std::size_t third = good.find('\n', good.find('\n') + 1) + 1;
  const std::string without_one = good.substr(0, third) + good.substr(good.find('\n', third) + 1);
  expect_error([&] { read_recording(directory_.write("hole", without_one)); }, {":3:", "a pass is missing"});
  expect_error([&] { read_recording(directory_.write("short", good.substr(0, third))); }, {"1 passes", "cut off"});
  expect_error([&] { read_recording(directory_.write("cut", good.substr(0, good.size() / 2))); }, {"cut:"});
  expect_error([&] { read_recording(directory_.write("head", good.substr(0, good.find('\n') + 1))); }, {"no step"});
  expect_error([&] { read_recording(directory_.path() / "missing"); }, {"missing", "cannot be read"});
}

TEST_F(Recorded, TheFirstLineSaysHowWasDrafted) {
  const Recording chain = read_recording(record("chain", {"--draft", "mtp,k=2"}));
  EXPECT_EQ(chain.k, 2);
  EXPECT_EQ(chain.tree, "");
  EXPECT_EQ(chain.policy, "fixed");
  const Recording tree = read_recording(record("tree", {"--draft", "mtp,tree=2x1"}));
  EXPECT_EQ(tree.k, 2);
  EXPECT_EQ(tree.tree, "2x1");
  const std::string path = record("policy", {"--draft", "mtp,k=4,policy=confidence,threshold=0.6"});
  EXPECT_EQ(read_recording(path).policy, "confidence,threshold=0.6");

  const auto replayed = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{SPECDEC_PROGRAM, "replay", path};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words);
  };
  const ProgramResult same = replayed({"--policy", "confidence,threshold=0.6"});
  EXPECT_EQ(same.exit_code, 0) << same.output;
  EXPECT_NE(same.output.find("k = 4, policy confidence,threshold=0.6"), std::string::npos) << same.output;
  EXPECT_EQ(same.output.find("guesses that it did not make"), std::string::npos) << same.output;
  const ProgramResult other = replayed({"--policy", "confidence,threshold=0.3"});
  EXPECT_EQ(other.exit_code, 0) << other.output;
  EXPECT_NE(other.output.find("guesses that it did not make are not in the record"), std::string::npos) << other.output;
  EXPECT_NE(other.output.find("confidence,threshold=0.3"), std::string::npos) << other.output;
}

TEST_F(Recorded, ARunThatItsOwnSettingsDoNotReproduceIsAFailedClaim) {
  const std::string path = record("run", {"--draft", "mtp,k=2", "--temperature", "1"});
  std::string changed = contents(path);
  const std::string seed = "\"seed\":7,\"temperature\"";  // of the settings to judge by
  ASSERT_NE(changed.find(seed), std::string::npos);
  changed.replace(changed.find(seed), seed.size(), "\"seed\":8,\"temperature\"");
  const std::string other = directory_.write("other", changed);
  EXPECT_EQ(run_program({SPECDEC_PROGRAM, "replay", path}).exit_code, 0);
  const ProgramResult failed = run_program({SPECDEC_PROGRAM, "replay", other});
  EXPECT_EQ(failed.exit_code, 5) << failed.output;
  EXPECT_NE(failed.output.find("Not reproduced"), std::string::npos) << failed.output;
  EXPECT_EQ(run_program({SPECDEC_PROGRAM, "replay", other, "--rule", "block"}).exit_code, 0);
  EXPECT_NE(run_program({SPECDEC_PROGRAM, "replay", "--help"}).output.find("5: the run's own"), std::string::npos);
}

TEST(GTestOfTwoSamples, EqualLawsPassAndOthersDoNot) {
  const Rng rng(1);
  const auto sample = [&](std::uint64_t stream, const Distribution& law) {
    TextCounts counts;
    for (std::uint64_t i = 0; i < 2000; ++i) ++counts[{law.sample(rng.fork(stream).uniform(i))}];
    return counts;
  };
  const Distribution p({0.4F, 0.3F, 0.2F, 0.1F}), other({0.45F, 0.25F, 0.2F, 0.1F});
  GTest same, different;
  same.add(sample(1, p), sample(2, p));
  different.add(sample(1, p), sample(3, other));
  EXPECT_EQ(same.freedom(), 3);
  EXPECT_GT(same.p_value(), 1e-3);
  EXPECT_LT(different.p_value(), 1e-3);
  // A share moved to the likeliest token: what the test says of itself is what it does, nine times in ten.
  const double bias = same.detectable_bias(1e-4);
  EXPECT_GT(bias, 0.01);
  EXPECT_LT(bias, 0.2);
  const auto moved = static_cast<float>(bias);
  const Distribution biased({0.4F * (1 - moved) + moved, 0.3F * (1 - moved), 0.2F * (1 - moved), 0.1F * (1 - moved)});
  int seen = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    GTest test;
    test.add(sample(100 + 2 * i, p), sample(101 + 2 * i, biased));
    seen += test.p_value() < 1e-4 ? 1 : 0;
  }
  EXPECT_NEAR(seen / 200.0, 0.9, 0.07);
}

TEST(GTestOfTwoSamples, ItsPValuesAreEven) {
  const Rng rng(2);
  const Distribution p({0.4F, 0.3F, 0.15F, 0.1F, 0.05F});
  int low = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    TextCounts a, b;
    for (std::uint64_t j = 0; j < 300; ++j) {
      ++a[{p.sample(rng.fork(2 * i).uniform(j))}];
      ++b[{p.sample(rng.fork(2 * i + 1).uniform(j))}];
    }
    GTest test;
    test.add(a, b);
    low += test.p_value() < 0.1 ? 1 : 0;
  }
  EXPECT_NEAR(low / 500.0, 0.1, 0.05);
}

}  // namespace
}  // namespace specdec

// What is made of a store with invented trials: comparisons, lists and the names of exported files.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/arm_comparison.h"
#include "experiments/results.h"
#include "tests/error_line.h"
#include "tests/file_contents.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

using Hashes = std::map<std::string, std::string>;  // of prompts, by their ids; none: an older specdec measured them

class StoredResults : public testing::Test {
 protected:
  SweepConfig config(const std::string& name, int repeats = 1) const {
    return parse_sweep_config(fmt::format(R"({{"name": "{}", "repeats": {}}})", name, repeats), "invented.json");
  }

  // Of these prompts and those without a hash, so many times as fast as plain decoding.
  StoredExperiment measured(const SweepConfig& config, double speed_up, const Hashes& hashes,
                            bool keeps_hashes = true) {
    const std::int64_t id = store_.experiment_of(config);
    nlohmann::json options{{"target", "invented"}, {"prompts", "prompts.jsonl"}};
    if (keeps_hashes) options["prompt_hashes"] = hashes;
    FinishedTrial trial{{identity_of(config.arms.at(0)), 0}, {}, {}};
    trial.origin.options = options.dump();
    for (const auto& [prompt, hash] : hashes) {
      TextFacts guessed, plain;
      guessed.tokens = plain.tokens = plain.passes = 10;
      guessed.passes = 5;
      guessed.times.look_s = 1 / speed_up;
      plain.times.look_s = 1;
      trial.texts.push_back({prompt, "code", 1, false, guessed, plain, true});
    }
    store_.finish(id, trial);
    return find_experiment(store_, fmt::format("{}@{}", config.name, config.fingerprint()));
  }

  ProgramResult run(std::vector<std::string> words) const {
    words.insert(words.begin(), SPECDEC_PROGRAM);
    words.insert(words.end(), {"--store", path_.string()});
    return run_program(words);
  }

  const TemporaryDirectory directory_;
  const fs::path path_ = directory_.path() / "store.db";
  ResultStore store_{path_, ResultStore::Mode::write};
};

// Two files of one name: what counts is the text of a prompt, not what it is called.
TEST_F(StoredResults, PromptsArePairedByTheirTexts) {
  const StoredExperiment first =
      measured(config("first"), 1.5, {{"a", "h1"}, {"b", "h2"}, {"c", "h3"}, {"only", "h4"}});
  const StoredExperiment second = measured(config("second"), 3, {{"a", "h9"}, {"renamed", "h2"}, {"c", "h3"}});
  const ArmComparison found = compare_arms(store_, first, {}, second, {});
  EXPECT_EQ(found.pairs, 2);
  EXPECT_EQ(found.first.alone, 2);
  EXPECT_EQ(found.second.alone, 1);
  EXPECT_EQ(found.renamed, 1);
  EXPECT_NEAR(found.speed.value, 2, 1e-9);
  const ProgramResult said = run({"results", "compare", "first", "second"});
  EXPECT_EQ(said.exit_code, 0) << said.output;
  EXPECT_NE(said.output.find("2 prompts paired by their texts, 2 measured by the first alone, 1 measured by the second "
                             "alone (1 have another text under the same name in the second)"),
            std::string::npos)
      << said.output;
}

TEST_F(StoredResults, WhatCannotBePairedSaysWhy) {
  const StoredExperiment first = measured(config("first"), 1.5, {{"a", "h1"}, {"b", "h2"}});
  const StoredExperiment other = measured(config("other"), 3, {{"a", "h5"}});
  const StoredExperiment old = measured(config("old"), 3, {{"a", "h1"}, {"b", "h2"}}, false);
  expect_error([&] { compare_arms(store_, first, {}, other, {}); },
               {"no common prompt", "2 measured by the first alone", "1 measured by the second alone",
                "1 have another text under the same name"});
  expect_error([&] { compare_arms(store_, first, {}, old, {}); },
               {"no common prompt", "2 of the second not comparable", "no hashes"});
}

TEST_F(StoredResults, AnExperimentOfWhichNothingWasMeasuredIsListedAsSuch) {
  const SweepConfig refused = config("refused", 3);
  store_.experiment_of(refused);
  const ProgramResult listed = run({"results", "list"});
  EXPECT_NE(listed.output.find("0/3, nothing measured"), std::string::npos) << listed.output;
  const ProgramResult exported = run({"export", "refused", "--to", "html", "--out", directory_.path().string()});
  EXPECT_EQ(exported.exit_code, 1);
  EXPECT_TRUE(exported.output.starts_with("specdec: refused@" + refused.fingerprint().substr(0, 8) +
                                          ": nothing has been measured"))
      << exported.output;
  EXPECT_FALSE(fs::exists(directory_.path() / "refused.html"));
}

TEST_F(StoredResults, ExperimentsOfOneNameHaveFilesOfTheirOwn) {
  const StoredExperiment first = measured(config("depth", 1), 1.5, {{"a", "h1"}});
  const StoredExperiment second = measured(config("depth", 2), 3, {{"a", "h1"}});
  const std::string short_id = second.fingerprint.substr(0, 8);
  const auto exported = [&](const std::string& name) {
    return run({"export", name, "--to", "markdown", "csv", "report", "--out", directory_.path().string()}).output;
  };
  EXPECT_NE(exported("depth").find(fmt::format("depth-{}.md", short_id)), std::string::npos);
  EXPECT_FALSE(fs::exists(directory_.path() / "depth.md"));
  const std::string said = exported("depth@" + first.fingerprint);
  EXPECT_EQ(said.find("replaced"), std::string::npos) << said;
  for (const char* name : {"depth.md", "depth-arms.csv", "depth-about.csv", "depth-report.md"}) {
    const std::string other = fmt::format("depth-{}{}", short_id, std::string(name).substr(5));
    ASSERT_TRUE(fs::exists(directory_.path() / name)) << name;
    ASSERT_TRUE(fs::exists(directory_.path() / other)) << other;
  }
  EXPECT_NE(contents(directory_.path() / "depth.md").find(first.fingerprint), std::string::npos);
  EXPECT_NE(contents(directory_.path() / fmt::format("depth-{}.md", short_id)).find(second.fingerprint),
            std::string::npos);
  EXPECT_NE(exported("depth").find(fmt::format("depth-{}.md was there and is replaced", short_id)), std::string::npos);
}

}  // namespace
}  // namespace specdec

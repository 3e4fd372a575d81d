// Passes of several rows with fewer experts than their rows choose: which stay, what their weights become, that nothing
// else changes, and that every report says that the text is not the target's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/engine.h"
#include "core/traffic.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using nlohmann::json;

constexpr int kExperts = 8, kPerToken = 3;
const std::vector<TokenId> kPrompt{TokenId{5}, TokenId{17}, TokenId{80}, TokenId{2}};

struct Pass {
  std::vector<std::vector<float>> logits;
  std::vector<RouterUse> routed;

  // Of layer and row; of layer alone.
  std::map<int, std::map<int, std::set<int>>> by_row() const {
    std::map<int, std::map<int, std::set<int>>> experts;
    for (const RouterUse& use : routed) experts[use.layer][use.row].insert(use.expert);
    return experts;
  }
  std::map<int, std::set<int>> unions() const {
    std::map<int, std::set<int>> experts;
    for (const RouterUse& use : routed) experts[use.layer].insert(use.expert);
    return experts;
  }
};

class VerifyExperts : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Model> capped(int experts) const {
    Shortcut shortcut;
    shortcut.experts_per_pass = experts;
    return model_->with(shortcut);
  }
  Pass pass(const Model& model, const Batch& batch) const {
    const auto state = model_->new_state(64);
    model_->forward(chain_of(kPrompt), *state, {});
    state->commit(whole_chain(static_cast<int>(kPrompt.size())));
    const Output out = model.forward(batch, *state, {});
    Pass pass{{}, {out.routed.begin(), out.routed.end()}};
    for (Eigen::Index row = 0; row < out.logits.rows(); ++row) {
      const auto values = row_span(out.logits, row);
      pass.logits.emplace_back(values.begin(), values.end());
    }
    return pass;
  }
  static Batch siblings(int of_first, int of_second) {
    Batch batch;
    for (int i = 0; i < of_first + of_second; ++i) {
      batch.tokens.push_back(TokenId{i < of_first ? 40 : 41});
      batch.parents.push_back(-1);
    }
    return batch;
  }

  const TinyCheckpoint tiny_{GetParam()};
  Engine engine_{{.threads = 1, .compute = "f32"}};
  const std::unique_ptr<Model> model_ = load_model(tiny_.directory(), engine_);
};

TEST_P(VerifyExperts, ALayerReadsAtMostSoManyAndEveryRowHasOne) {
  const Batch batch = chain_of(std::vector{TokenId{7}, TokenId{9}, TokenId{33}, TokenId{60}, TokenId{2}});
  const Pass plain = pass(*model_, batch);
  for (int experts = 1; experts < kExperts; ++experts) {
    const Pass found = pass(*capped(experts), batch);
    for (const auto& [layer, chosen] : found.unions()) EXPECT_LE(chosen.size(), static_cast<std::size_t>(experts));
    for (const auto& [layer, rows] : found.by_row()) EXPECT_EQ(rows.size(), batch.tokens.size());
    EXPECT_LE(bytes_of_pass(model_->bytes(), 5, woken_experts(found.routed)),
              bytes_of_pass(model_->bytes(), 5, woken_experts(plain.routed)));
  }
}

TEST_P(VerifyExperts, AllOfThemChangeNoBit) {
  const Batch batch = chain_of(std::vector{TokenId{7}, TokenId{9}, TokenId{33}, TokenId{60}, TokenId{2}});
  const Pass plain = pass(*model_, batch);
  for (const int experts : {kExperts, kExperts + 5}) EXPECT_EQ(pass(*capped(experts), batch).logits, plain.logits);
}

TEST_P(VerifyExperts, APassOfOneRowIsLeftAlone) {
  const Batch batch = chain_of(std::vector{TokenId{7}});
  EXPECT_EQ(pass(*capped(1), batch).logits, pass(*model_, batch).logits);
}

// Twenty rows outweigh one: what they chose stays, and they keep their bits; the one takes what there is.
TEST_P(VerifyExperts, ThoseWithTheLargestSumOfWeightsStay) {
  const Batch batch = siblings(20, 1);
  const Pass plain = pass(*model_, batch);
  const Pass found = pass(*capped(kPerToken), batch);
  const auto before = plain.by_row();
  const auto after = found.by_row();
  for (const auto& [layer, rows] : after) {
    EXPECT_EQ(rows.at(0), before.at(layer).at(0));
    EXPECT_TRUE(std::ranges::includes(rows.at(0), rows.at(20)));
    EXPECT_FALSE(rows.at(20).empty());
  }
  for (std::size_t row = 0; row < 20; ++row) EXPECT_EQ(found.logits[row], plain.logits[row]);
  EXPECT_NE(found.logits[20], plain.logits[20]);
}

// One expert that all rows chose: it stands for all three, as if each row took its best alone.
TEST_P(VerifyExperts, WhatARowKeepsTakesTheWholeWeight) {
  Shortcut best_alone;
  best_alone.experts_per_token = 1;
  const Batch batch = siblings(4, 0);
  const Pass expected = pass(*model_->with(best_alone), batch);
  const Pass found = pass(*capped(1), batch);
  ASSERT_EQ(found.unions(), expected.unions());
  for (std::size_t i = 0; i < expected.logits[0].size(); ++i) {
    EXPECT_NEAR(found.logits[0][i], expected.logits[0][i], 1e-3) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, VerifyExperts, testing::Values("glm4_moe", "qwen3_moe"),
                         [](const auto& parameter) { return parameter.param; });

class VerifyExpertsRun : public testing::Test {
 protected:
  ProgramResult program(std::vector<std::string> words) const {
    words.insert(words.begin(), SPECDEC_PROGRAM);
    return run_program(words);
  }
  ProgramResult run(std::vector<std::string> more) const {
    std::vector<std::string> words{"run",     "--prompt-tokens", "5,9,2,33,33", "--max-tokens", "24",  "--draft",
                                   "mtp,k=4", "--json",          json_,         "--trace",      trace_};
    words.insert(words.end(), more.begin(), more.end());
    return program(words);
  }
  static json read(const std::string& path) { return json::parse(std::ifstream(path)); }

  const TinyCheckpoint tiny_{"glm4_moe"};
  const TemporaryDirectory directory_;
  const std::string target_ = tiny_.directory().string();
  const std::string json_ = directory_.path() / "run.json";
  const std::string trace_ = directory_.path() / "trace.jsonl";
};

TEST_F(VerifyExpertsRun, EveryReportSaysThatItIsLossy) {
  const ProgramResult result = run({"--target", target_, "--verify-experts", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("Lossy, by --verify-experts 2: the text is not the target's."), std::string::npos)
      << result.output;
  const json found = read(json_);
  EXPECT_EQ(found["run"]["verify_experts"], 2);
  EXPECT_EQ(found["run"]["rule"]["lossless"], false);
  std::ifstream lines(trace_);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(json::parse(line)["run"]["verify_experts"], 2);
  int wide = 0;
  while (std::getline(lines, line)) {
    const json step = json::parse(line);
    if (step["rows"] == 1) continue;
    ++wide;
    std::map<int, std::set<int>> experts;
    for (const json& use : step["routed_row_layer_expert"]) experts[use[1]].insert(use[2].get<int>());
    for (const auto& [layer, chosen] : experts) EXPECT_LE(chosen.size(), 2U);
  }
  EXPECT_GT(wide, 0);
}

TEST_F(VerifyExpertsRun, AsManyAsThereAreIsTheTargetsText) {
  const ProgramResult result = run({"--target", target_, "--verify-experts", "8"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(result.output.find("Lossy"), std::string::npos);
  const json found = read(json_);
  EXPECT_EQ(found["run"]["rule"]["lossless"], true);
  EXPECT_EQ(found["figures"]["identical_to_plain"], true);
}

TEST_F(VerifyExpertsRun, ItIsNotCertified) {
  const std::vector<std::string> words{"certify", "--target", target_, "--draft",   "mtp,k=2", "--prompt-count",
                                       "1",       "--models", "5",     "--samples", "20",      "--max-tokens",
                                       "8"};
  const auto with = [&](const std::string& experts) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--verify-experts", experts});
    return program(all);
  };
  const ProgramResult result = with("7");
  EXPECT_EQ(result.exit_code, 5) << result.output;
  EXPECT_NE(result.output.find("--verify-experts 7: a layer reads 7 of 8"), std::string::npos) << result.output;
  EXPECT_NE(with("8").output.find("what the rows of a pass choose"), std::string::npos);
}

TEST_F(VerifyExpertsRun, WhatCannotBeIsRefused) {
  const TinyCheckpoint dense("qwen3");
  const auto refused = [&](std::vector<std::string> more, const std::string& why) {
    const ProgramResult result = run(more);
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_NE(result.output.find(why), std::string::npos) << result.output;
  };
  refused({"--target", dense.directory().string(), "--verify-experts", "4"},
          "is dense; expected a target with routed experts");
  refused({"--target", target_, "--verify-experts", "0"}, "--verify-experts 0: expected 1 or more");
  refused({"--target", target_, "--verify-experts", "4", "--always-reject"}, "expected one of them");
}

}  // namespace
}  // namespace specdec

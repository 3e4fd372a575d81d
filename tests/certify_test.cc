// What certify claims of a sound pair, and that it finds out unsound ones.
#include "experiments/certify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

TEST(Certify, TheShippedModelIsCertified) {
  const TemporaryDirectory directory;
  const std::string path = (directory.path() / "certificate.json").string();
  const ProgramResult result =
      run_program({SPECDEC_PROGRAM, "certify", "--draft", "mtp,k=2", "--prompt-count", "3", "--max-tokens", "24",
                   "--models", "60", "--samples", "150", "--json", path});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("Certified"), std::string::npos);
  const auto json = nlohmann::json::parse(std::ifstream(path));
  EXPECT_TRUE(json["certified"].get<bool>());
  EXPECT_EQ(json["claims"].size(), 6U);
  for (const auto& claim : json["claims"]) EXPECT_TRUE(claim["holds"].get<bool>()) << claim;
  EXPECT_EQ(json["claims"][1]["figures"]["tokens"], 72);
}

TEST(Certify, ALossyRuleIsNotCertified) {
  const ProgramResult result =
      run_program({SPECDEC_PROGRAM, "certify", "--draft", "mtp,k=2", "--rule", "typical", "--prompt-count", "3",
                   "--max-tokens", "24", "--models", "10", "--samples", "150"});
  EXPECT_EQ(result.exit_code, 5) << result.output;
  EXPECT_NE(result.output.find("Not certified"), std::string::npos);
  EXPECT_NE(result.output.find("whose logit is larger by"), std::string::npos) << result.output;
}

TEST(Certify, ImpossibleOptionsAreRefused) {
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"--draft", "none"}, {"--temperature", "0"}, {"--samples", "0"}, {"--rule", "nonsense"}}) {
    std::vector<std::string> words{SPECDEC_PROGRAM, "certify"};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(run_program(words).exit_code, 2) << more[0];
  }
}

// What is found only when a text is begun as well: the enumeration takes minutes.
TEST(Certify, WhatCannotRunIsRefusedBeforeAnythingIsEnumerated) {
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--draft", "mtp,depht=3"},
                                             {"--draft", "mtp,width=2", "--rule", "block"},
                                             {"--draft", "mtp,tree=2x1", "--k", "3"},
                                             {"--draft", "suffix,corpus=/nowhere"}}) {
    std::vector<std::string> words{SPECDEC_PROGRAM, "certify"};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = run_program(words);
    EXPECT_TRUE(result.output.starts_with("specdec: ")) << result.output;
    EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
  }
}

TEST(Certify, HelpTellsTheExitCodes) {
  const std::string help = run_program({SPECDEC_PROGRAM, "certify", "--help"}).output;
  EXPECT_NE(help.find("Exit code: 0: all claims hold; 5: a claim fails; 1: an error"), std::string::npos) << help;
}

// Rows of wide passes get logits of their own.
class WidthDependent : public ToyModel {
 public:
  using ToyModel::ToyModel;
  Output forward(const Batch& batch, State& state, const Taps& taps) const override {
    Output out = ToyModel::forward(batch, state, taps);
    if (batch.tokens.size() > 1 && taps.logits) {
      auto& toy = static_cast<ToyState<TokenId>&>(state);
      for (std::size_t i = 0; i < toy.logits.size(); ++i) toy.logits[i] += i % 3 == 0 ? 0.5F : 0.0F;
    }
    return out;
  }
};

Certificate certify_toy(std::unique_ptr<Model> model, const std::string& rule, const Budget& budget = {.depth = 3}) {
  Engine engine({.threads = 1});
  LoadedTarget target{"toy", std::move(model), nullptr, {}};
  LoadedDrafter drafter;
  drafter.spec.kind = "small";
  drafter.budget = budget;
  drafter.model = std::make_shared<ToyModel>(ToyOptions{.vocab = 7, .noise = 0.8});
  CertifyOptions options{.rule = rule, .prompts = {{TokenId{1}, TokenId{2}}, {TokenId{3}, TokenId{3}}}};
  options.models = 30;
  options.samples = 1500;
  return certify(target, drafter, options, engine, [](const Claim&) { return Continue::yes; });
}

const Claim& claim_of(const Certificate& certificate, const std::string& key) {
  return *std::ranges::find(certificate.claims, key, &Claim::key);
}

TEST(Certify, EveryLosslessRuleHoldsForAToy) {
  for (const char* rule : {"sampled", "block", "traversal", "matched", "target-only", "k-seq"}) {
    const Certificate certificate = certify_toy(std::make_unique<ToyModel>(ToyOptions{.vocab = 7}), rule);
    for (const Claim& claim : certificate.claims) EXPECT_TRUE(claim.holds) << rule << ": " << claim.key << claim.found;
    EXPECT_TRUE(certificate.holds());
  }
}

TEST(Certify, ATreeHoldsForAToy) {
  const Budget tree = with_tree({}, parse_static_tree("2x2"));
  const Certificate certificate = certify_toy(std::make_unique<ToyModel>(ToyOptions{.vocab = 7}), "sampled", tree);
  for (const Claim& claim : certificate.claims) EXPECT_TRUE(claim.holds) << claim.key << ": " << claim.found;
}

TEST(Certify, RowsThatDependOnOneAnotherAreFoundOutWithTheCause) {
  const Certificate certificate = certify_toy(std::make_unique<WidthDependent>(ToyOptions{.vocab = 7}), "sampled");
  EXPECT_FALSE(claim_of(certificate, "width_invariance").holds);
  EXPECT_NEAR(claim_of(certificate, "width_invariance").figures.at("largest_difference"), 0.5, 1e-6);
  EXPECT_FALSE(claim_of(certificate, "greedy_text").holds);
  EXPECT_NE(claim_of(certificate, "greedy_text").found.find("rows depend on one another"), std::string::npos)
      << claim_of(certificate, "greedy_text").found;
  EXPECT_FALSE(certificate.holds());
}

}  // namespace
}  // namespace specdec

#include "experiments/trial.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/error_line.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

// A byte-level tokenizer of so many ids, each a string of its own, and one more that is added.
std::string tokenizer_of(int ids, const std::string& added = "") {
  nlohmann::json vocab = nlohmann::json::object();
  for (int id = 0; id < ids; ++id) {
    const auto letter = [](int i) { return std::string(1, static_cast<char>('A' + i)); };
    vocab[id < 26 ? letter(id) : letter(id / 26) + letter(id % 26)] = id;
  }
  const nlohmann::json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  nlohmann::json markers = nlohmann::json::array();
  if (!added.empty()) markers.push_back({{"id", ids}, {"content", added}, {"special", true}});
  return nlohmann::json{{"version", "1.0"},
                        {"added_tokens", markers},
                        {"pre_tokenizer", byte_level},
                        {"decoder", byte_level},
                        {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}}
      .dump();
}

std::unique_ptr<Tokenizer> tokenizer_with(int ids) {
  const TemporaryDirectory directory;
  directory.write("tokenizer.json", tokenizer_of(ids));
  return load_tokenizer(directory.path());
}

TEST(Trial, ADraftTokenizerMayKnowMoreIdsThanItsModelHasRows) {
  Engine engine({.threads = 1});
  const LoadedTarget target{
      "toy", std::make_unique<ToyModel>(ToyOptions{.vocab = 130, .context = 200}), tokenizer_with(120), {}};
  for (const int ids : {kTinyVocab - 5, kTinyVocab, kTinyVocab + 14}) {
    const TinyCheckpoint draft("qwen3");
    std::ofstream(draft.directory() / "tokenizer.json") << tokenizer_of(ids);
    const LoadedDrafter drafter =
        load_drafter("small:" + draft.directory().string() + ",bridge=padded", {}, target, engine);
    const std::vector<TokenId> prompt{TokenId{1}, TokenId{2}};
    EXPECT_EQ(run_trial(target, drafter, prompt, {.max_tokens = 20}, engine).generated,
              run_trial(target, no_drafter(), prompt, {.max_tokens = 20}, engine).generated)
        << ids;
  }
}

// Gemma 3 has 262,145 ids, the last of them for images, and 262,144 rows.
TEST(Trial, ATargetMayLackRowsForMarkersAlone) {
  Engine engine({.threads = 1});
  const TinyCheckpoint checkpoint("qwen3");
  const std::string name = checkpoint.directory().string();
  const auto write = [&](const std::string& file) { std::ofstream(checkpoint.directory() / "tokenizer.json") << file; };
  write(tokenizer_of(kTinyVocab, "<image>"));
  const LoadedTarget target = load_target(name, engine);
  EXPECT_EQ(encode_prompt(target, "AB").size(), 2U);
  expect_error([&] { encode_prompt(target, "AB<image>"); }, {"'<image>'", std::to_string(kTinyVocab), name});
  write(tokenizer_of(kTinyVocab + 1));
  expect_error([&] { load_target(name, engine); }, {"belongs to another model"});
}

// Its tokenizer cuts the text into ids that it has no rows for.
TEST(Trial, ADraftMayLackRowsThroughEveryBridge) {
  Engine engine({.threads = 1});
  const LoadedTarget target{
      "toy", std::make_unique<ToyModel>(ToyOptions{.vocab = 130, .context = 200}), tokenizer_with(130), {}};
  const TinyCheckpoint draft("qwen3");
  std::ofstream(draft.directory() / "tokenizer.json") << tokenizer_of(kTinyVocab + 20, "<image>");
  const std::vector<TokenId> prompt{TokenId{1}, TokenId{kTinyVocab + 3}};
  const auto plain = run_trial(target, no_drafter(), prompt, {.max_tokens = 30}, engine).generated;
  for (const std::string bridge : {"padded", "tli", "slrs", "slem"}) {
    const LoadedDrafter drafter =
        load_drafter("small:" + draft.directory().string() + ",bridge=" + bridge, {}, target, engine);
    EXPECT_EQ(run_trial(target, drafter, prompt, {.max_tokens = 30}, engine).generated, plain) << bridge;
  }
}

TEST(Trial, ThePolicyIsAnOptionOfTheDrafter) {
  Engine engine({.threads = 1});
  const LoadedTarget target{"toy", std::make_unique<ToyModel>(ToyOptions{.vocab = 32, .mtp_noise = 0.0}), nullptr, {}};
  const LoadedDrafter drafter = load_drafter("mtp,k=2,policy=fixed", {}, target, engine);
  EXPECT_EQ(drafter.policy.kind->name, "fixed");
  EXPECT_TRUE(drafter.spec.options.empty());
  const std::vector<TokenId> prompt{TokenId{1}, TokenId{2}};
  EXPECT_EQ(run_trial(target, drafter, prompt, {.max_tokens = 9}, engine).steps.size(), 3U);
}

TEST(Trial, ATreeMayBePlanned) {
  Engine engine({.threads = 1});
  const LoadedTarget target{
      "toy", std::make_unique<ToyModel>(ToyOptions{.vocab = 32, .experts = 6, .mtp_noise = 0.3}), nullptr, {}};
  const LoadedDrafter drafter = load_drafter("mtp,rows=6,tree=sequoia,ranks=0.6/0.3", {}, target, engine);
  EXPECT_GE(drafter.budget.width, 1);
  EXPECT_LE(drafter.budget.rows, 6);
  ASSERT_NE(drafter.budget.tree, nullptr);
  EXPECT_EQ(drafter.budget.rows, drafter.budget.tree->guesses());
  const std::vector<TokenId> prompt{TokenId{1}, TokenId{2}};
  const Trial trial = run_trial(target, drafter, prompt, {.max_tokens = 20}, engine);
  EXPECT_EQ(trial.steps.front().drafted(), drafter.budget.rows);
  EXPECT_EQ(trial.generated, run_trial(target, no_drafter(), prompt, {.max_tokens = 20}, engine).generated);
  expect_error([&] { load_drafter("mtp,tree=sequoia,ranks=0.01", {}, target, engine); },
               {"ranks=0.01", "--draft none"});
}

TEST(Trial, WhoSeesTheStepsMayEndThem) {
  Engine engine({.threads = 1});
  const LoadedTarget target{"toy", std::make_unique<ToyModel>(ToyOptions{.vocab = 32}), nullptr, {}};
  const std::vector<TokenId> prompt{TokenId{1}, TokenId{2}};
  int seen = 0;
  const auto twice = [&](const StepRecord&) { return ++seen < 2 ? Continue::yes : Continue::no; };
  const Trial trial = run_trial(target, no_drafter(), prompt, {.max_tokens = 9}, engine, twice);
  EXPECT_EQ(trial.steps.size(), 2U);
  EXPECT_EQ(name_of(trial.ending), "interrupted");
  const Trial unkept = run_trial(target, no_drafter(), prompt, {.max_tokens = 9, .keeps_steps = false}, engine,
                                 [&](const StepRecord& step) {
                                   seen += static_cast<int>(step.emitted.size());
                                   return Continue::yes;
                                 });
  EXPECT_TRUE(unkept.steps.empty());
  EXPECT_EQ(unkept.generated.size(), 9U);
  EXPECT_EQ(seen, 2 + 9);
}

}  // namespace
}  // namespace specdec

// The probe finds how an MTP layer is read: the shipped one as it is, and one whose two halves were exchanged.
#include "experiments/mtp_probe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/files/safetensors.h"
#include "experiments/trial.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// A copy whose eh_proj takes the state first: in every row, codes and scales of the two halves change places.
void exchange_halves(const fs::path& from, const fs::path& to) {
  for (const auto& file : fs::directory_iterator(from)) {
    if (file.path().extension() != ".safetensors") fs::copy(file.path(), to);
  }
  const SafetensorsFile file(from / "model.safetensors");
  std::vector<StoredTensor> tensors;
  std::vector<std::unique_ptr<std::vector<std::byte>>> exchanged;
  for (const auto& [name, tensor] : file.tensors()) {
    tensors.push_back(tensor);
    if (name.find(".eh_proj.") == name.npos) continue;
    const auto& copy =
        exchanged.emplace_back(std::make_unique<std::vector<std::byte>>(tensor.data, tensor.data + tensor.bytes));
    const std::size_t row = tensor.bytes / static_cast<std::size_t>(tensor.shape.front());
    for (auto begin = copy->begin(); begin != copy->end(); begin += static_cast<std::ptrdiff_t>(row)) {
      std::rotate(begin, begin + static_cast<std::ptrdiff_t>(row / 2), begin + static_cast<std::ptrdiff_t>(row));
    }
    tensors.back().data = copy->data();
  }
  EXPECT_FALSE(exchanged.empty());
  write_safetensors(to / "model.safetensors", tensors);
}

double accepted_share(const Trial& trial) {
  double drafted = 0, accepted = 0;
  for (const StepRecord& step : trial.steps) {
    drafted += step.drafted();
    accepted += step.accepted();
  }
  return accepted / drafted;
}

double agreement_of(const MtpProbe& probe, const std::string& name) {
  const auto score = std::ranges::find(probe.scores, parse_reading(name), &ReadingScore::reading);
  return score->first.agreement;
}

TEST(MtpProbe, TheShippedModelIsReadAsItIs) {
  Engine engine({.threads = 2});
  const LoadedTarget target = load_target("demo-moe", engine);
  const LoadedDrafter drafter = load_drafter("mtp,k=2,convention=probe", {}, target, engine);
  ASSERT_TRUE(drafter.probe);
  EXPECT_EQ(drafter.probe->scores.size(), 8U);
  EXPECT_TRUE(drafter.probe->best().reading.embedding_first);
  EXPECT_GT(agreement_of(*drafter.probe, "after-norm+embedding-first+carry-normed"),
            agreement_of(*drafter.probe, "after-norm+hidden-first+carry-normed") + 0.3);
  EXPECT_EQ(drafter.probe->best().reading, HeadReading{}) << text_of(*drafter.probe);
}

TEST(MtpProbe, ExchangedHalvesAreFound) {
  const TemporaryDirectory directory;
  exchange_halves(resolve_model("demo-moe"), directory.path());
  Engine engine({.threads = 2});
  const LoadedTarget target = load_target(directory.path().string(), engine);
  const LoadedDrafter probed = load_drafter("mtp,k=2,convention=probe", {}, target, engine);
  ASSERT_TRUE(probed.probe);
  EXPECT_FALSE(probed.probe->best().reading.embedding_first) << text_of(*probed.probe);
  const std::vector<TokenId> prompt = encode_prompt(target, "The river");
  const auto share = [&](const LoadedDrafter& drafter) {
    return accepted_share(run_trial(target, drafter, prompt, {.max_tokens = 48}, engine));
  };
  const double found = share(probed);
  EXPECT_GT(found, share(load_drafter("mtp,k=2", {}, target, engine)) + 0.2);
  EXPECT_EQ(found,
            share(load_drafter("mtp,k=2,convention=" + name_of(probed.probe->best().reading), {}, target, engine)));
}

TEST(MtpProbe, WhatIsNotNamedIsAsUsual) {
  EXPECT_EQ(parse_reading("hidden-first"), (HeadReading{.embedding_first = false}));
  EXPECT_EQ(parse_reading("carry-raw+before-norm"), (HeadReading{.normed_states = false, .normed_carried = false}));
  for (const HeadReading& reading : {HeadReading{}, HeadReading{false, true, false}, HeadReading{true, false, true}}) {
    EXPECT_EQ(parse_reading(name_of(reading)), reading);
  }
  EXPECT_THROW(parse_reading("hidden-first+"), Error);
  EXPECT_THROW(parse_reading(""), Error);
  EXPECT_THROW(parse_reading("embedding-first+hidden-first"), UsageError);
  EXPECT_THROW(parse_reading("carry-raw+hidden-first+carry-normed"), UsageError);
  EXPECT_EQ(parse_reading("hidden-first+hidden-first"), (HeadReading{.embedding_first = false}));
}

TEST(MtpProbe, WithoutATokenizerItsTextIsDrawn) {
  const TinyCheckpoint tiny("glm4_moe");
  Engine engine({.threads = 1});
  const LoadedTarget target = load_target(tiny.directory().string(), engine);
  const LoadedDrafter drafter = load_drafter("mtp,convention=probe", {}, target, engine);
  ASSERT_TRUE(drafter.probe);
  EXPECT_GT(drafter.probe->positions, 2);
}

TEST(MtpProbe, TheChoiceIsPrinted) {
  const ProgramResult result =
      run_program({SPECDEC_PROGRAM, "run", "--draft", "mtp,convention=probe", "--max-tokens", "8"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("specdec: note: MTP reads after-norm+embedding-first"), std::string::npos)
      << result.output;
  EXPECT_NE(result.output.find("candidates: "), std::string::npos);
  const ProgramResult wrong = run_program({SPECDEC_PROGRAM, "run", "--draft", "mtp,convention=upside-down"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.output.find("expected auto, probe, or"), std::string::npos) << wrong.output;
}

}  // namespace
}  // namespace specdec

// A store that holds few experts at a time changes no bit of any result.
#include "core/experts.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/model.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

constexpr int kExperts = 8, kRoutedLayers = 2, kMtpLayers = 1;

// Logits of a few passes of several widths, one after the other.
std::vector<float> logits_of(const Model& model) {
  std::vector<float> all;
  const auto state = model.new_state(64);
  int token = 1;
  for (const int width : {1, 2, 5, 1, 8, 1, 3}) {
    Batch batch;
    std::vector<int> path;
    for (int i = 0; i < width; ++i) {
      batch.tokens.push_back(TokenId{token = (token * 31 + 7) % kTinyVocab});
      batch.parents.push_back(i - 1);
      path.push_back(i);
    }
    const Output out = model.forward(batch, *state, {});
    all.insert(all.end(), out.logits.data(), out.logits.data() + out.logits.size());
    state->commit(path);
  }
  return all;
}

TEST(Experts, ABudgetChangesNoBit) {
  for (const std::string& name : tiny_checkpoints()) {
    if (name.find("_moe") == name.npos) continue;
    SCOPED_TRACE(name);
    const TinyCheckpoint tiny(name);
    Engine plenty({.threads = 2});
    const auto resident = load_model(tiny.directory(), plenty);
    ASSERT_TRUE(resident->experts()->all_packed());
    EXPECT_EQ(resident->experts()->resident_bytes(), resident->experts()->all_bytes());
    const std::vector<float> expected = logits_of(*resident);
    EXPECT_EQ(resident->experts()->traffic().loads, 0);

    const std::int64_t all = resident->experts()->all_bytes();
    for (const char* budget : {"0.0001MB", "67%"}) {
      Engine engine({.threads = 2, .expert_cache = budget});
      const auto model = load_model(tiny.directory(), engine);
      const ExpertStore& store = *model->experts();
      EXPECT_FALSE(store.all_packed());
      EXPECT_LT(store.resident_bytes(), all);
      EXPECT_EQ(logits_of(*model), expected) << budget;
      EXPECT_GT(store.traffic().loads, kExperts);
      EXPECT_GT(store.traffic().loaded_bytes, 0);
      EXPECT_GT(store.traffic().stall_s, 0);
    }
  }
}

TEST(Experts, WhatIsUsedAgainIsNotLoadedAgain) {
  const TinyCheckpoint tiny("qwen3_moe");
  Engine engine({.threads = 1, .expert_cache = "1%"});
  const auto model = load_model(tiny.directory(), engine);
  const auto state = model->new_state(8);
  const Batch batch{{TokenId{5}}, {-1}};
  const auto loads_of_pass = [&] {
    const std::int64_t before = model->experts()->traffic().loads;
    model->forward(batch, *state, {});
    state->commit({});
    return model->experts()->traffic().loads - before;
  };
  EXPECT_EQ(loads_of_pass(), 9) << "three layers of three";
  EXPECT_EQ(loads_of_pass(), 3) << "eight of the nine fit, and the least recently used are dropped";
}

TEST(Memory, WhatWasPromisedIsNotPromisedAgain) {
  const Engine engine({.threads = 1});
  const std::int64_t before = engine.expert_budget(0);
  ASSERT_GT(before, 1 << 20);
  engine.promise_memory(2 * before);
  EXPECT_EQ(engine.expert_budget(0), 0);
  engine.promise_memory(-2 * before);
  EXPECT_GT(engine.expert_budget(0), 0);
}

TEST(Memory, SizesAndShares) {
  EXPECT_EQ(parse_bytes("1.5GiB", "x"), 3LL << 29);
  EXPECT_EQ(parse_bytes("2GB", "x"), 2'000'000'000);
  const Engine engine({.threads = 1, .expert_cache = "12.5%"});
  EXPECT_EQ(engine.expert_budget(800), 100);
  for (const char* bad : {"", "1", "GiB", "-1GB", "0MB", "1e30TB", "nanGB", "2 GB", "0%", "101%", "%", "x%", "5%%"}) {
    EXPECT_THROW(Engine({.threads = 1, .expert_cache = bad}), UsageError) << bad;
  }
}

TEST(Memory, SomeIsLeftButNotAllForWeights) {
  EXPECT_GT(available_memory(), 0);
  EXPECT_LT(memory_for_weights(), available_memory());
}

}  // namespace
}  // namespace specdec

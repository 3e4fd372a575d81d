// A store that holds few experts at a time changes no bit of any result.
#include "core/experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/expert_replay.h"
#include "core/memory.h"
#include "core/model.h"
#include "core/rng.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

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
    SCOPED_TRACE(name);
    const TinyCheckpoint tiny(name);
    Engine plenty({.threads = 2});
    const auto resident = load_model(tiny.directory(), plenty);
    if (resident->experts() == nullptr) continue;
    ASSERT_TRUE(resident->experts()->all_packed());
    EXPECT_EQ(resident->experts()->resident_bytes(), resident->experts()->all_bytes());
    const std::vector<float> expected = logits_of(*resident);
    EXPECT_EQ(resident->experts()->traffic().loads, 0);

    const std::int64_t all = resident->experts()->all_bytes();
    const EngineOptions least{.threads = 2, .expert_cache = "0.0001MB"};
    std::vector<EngineOptions> ways(5, least);
    ways[1].expert_cache = "67%";
    ways[2].expert_policy = "lfu";
    ways[3].expert_prefetch = "next-layer";
    ways[4].expert_reads = "threads";
    for (const EngineOptions& way : ways) {
      Engine engine(way);
      const auto model = load_model(tiny.directory(), engine);
      const ExpertStore& store = *model->experts();
      EXPECT_FALSE(store.all_packed());
      if (store.layers().size() > 1) {  // one layer is always there
        EXPECT_LT(store.resident_bytes(), all);
      }
      EXPECT_EQ(logits_of(*model), expected) << way.expert_cache;
      EXPECT_GT(store.traffic().loads, 0);
      EXPECT_GT(store.traffic().loaded_bytes, 0);
      if (name != "gpt_oss") {  // whose unquantised experts are turned in memory
        EXPECT_GE(store.traffic().read_bytes, store.traffic().loaded_bytes);
      }
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

// Loads that a store counts are those that its trace gives, and no policy loads fewer than the one that knows what
// comes.
TEST(Experts, AReplayLoadsWhatTheStoreLoaded) {
  const TinyCheckpoint tiny("glm4_moe:affine");
  for (const std::string policy : {"lru", "lfu"}) {
    for (const char* budget : {"1%", "60%", "80%"}) {
      for (const char* prefetch : {"none", "next-layer"}) {
        SCOPED_TRACE(policy + " " + budget + " " + prefetch);
        Engine engine({.threads = 1, .expert_cache = budget, .expert_policy = policy, .expert_prefetch = prefetch});
        const auto model = load_model(tiny.directory(), engine);
        ExpertStore& store = *model->experts();
        store.record_events(true);
        logits_of(*model);
        ExpertLog log = store.described();
        log.events = store.take_events();
        const ExpertTraffic traffic = store.traffic();
        const auto loads_with = [&](std::string_view name) {
          const ExpertPolicyKind& kind = find_expert_policy(name);
          return replay(log, kind, log.room.slots, log.uses()).all;
        };
        const ExpertCounts same = loads_with(policy);
        EXPECT_EQ(same.loads, traffic.loads);
        EXPECT_EQ(same.wanted, traffic.wanted);
        EXPECT_EQ(same.prefetched_used, traffic.prefetched_used);
        EXPECT_EQ(same.prefetched_wasted, traffic.prefetched_wasted);
        if (store.prefetches()) {
          EXPECT_GT(traffic.prefetched_used, 0);
        }
        for (const ExpertPolicyKind& kind : expert_policies()) {
          EXPECT_LE(loads_with("belady").loads, loads_with(kind.name).loads) << kind.name;
        }
      }
    }
  }
}

// What is wanted at random, of random layers: the optimum is one, and with room for all everything is loaded once.
TEST(Experts, NoPolicyLoadsLessThanBelady) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    ExpertLog log;
    log.sizes.experts = 30;
    log.layers = {{0, 10}, {1, 10}, {2, 10}};
    for (std::uint64_t i = 0; i < 300; ++i) {
      ExpertEvent event{ExpertEvent::What::wanted, static_cast<int>(i % 3), {}};
      for (int expert = 0; expert < 10; ++expert) {
        const std::uint64_t draw = rng.fork(i).bits(static_cast<std::uint64_t>(expert)) % 20;
        if (draw < static_cast<std::uint64_t>(1 + expert)) event.experts.push_back(expert);
      }
      log.events.push_back(event);
    }
    const std::vector<std::int64_t> uses = log.uses();
    const auto distinct = static_cast<std::int64_t>(uses.size()) - std::ranges::count(uses, 0);
    for (const int slots : {10, 14, 22, 29, 30}) {
      const std::int64_t least = replay(log, find_expert_policy("belady"), slots).all.loads;
      for (const ExpertPolicyKind& kind : expert_policies()) {
        const std::int64_t loads = replay(log, kind, slots, uses).all.loads;
        EXPECT_LE(least, loads) << kind.name << " " << slots;
        if (slots == 30) {
          EXPECT_EQ(loads, distinct);
        }
      }
    }
  }
}

namespace fs = std::filesystem;

fs::path weights_of(const TinyCheckpoint& tiny) { return tiny.directory() / "model.safetensors"; }

std::string error_of_load(ExpertStore& store) {
  try {
    store.forget();
    store.bring(std::array{store.sizes().experts - 1});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Experts, AFileThatWasCutOrChangedEndsInAnError) {
  for (const char* reads : {"auto", "threads"}) {
    const TinyCheckpoint tiny("qwen3_moe");
    Engine engine({.threads = 1, .expert_cache = "1%", .expert_reads = reads});
    const auto model = load_model(tiny.directory(), engine);
    ExpertStore& store = *model->experts();
    EXPECT_EQ(error_of_load(store), "");
    const auto size = fs::file_size(weights_of(tiny));
    fs::last_write_time(weights_of(tiny), fs::last_write_time(weights_of(tiny)) + std::chrono::seconds(1));
    EXPECT_NE(error_of_load(store).find("was changed since it was opened"), std::string::npos);
    fs::resize_file(weights_of(tiny), size / 2);
    EXPECT_NE(error_of_load(store).find("it was cut"), std::string::npos);
    EXPECT_EQ(store.traffic().hits(), 0);
  }
}

// Ends reads as a bad disk does, or brings a part of what was asked for at a time.
class FaultyQueue : public ReadQueue {
 public:
  explicit FaultyQueue(std::int64_t most, int error = 0) : most_(most), error_(error) {}
  std::string_view name() const override { return "faulty"; }
  void begin(std::span<FileRead* const> reads) override {
    for (FileRead* read : reads) {
      read->bytes = std::min(read->bytes, most_);
      inner_->begin({&read, 1});
    }
  }
  FileRead* ended(Wait wait) override {
    FileRead* read = inner_->ended(wait);
    if (read != nullptr && error_ != 0) read->result = -error_;
    return read;
  }

 private:
  std::unique_ptr<ReadQueue> inner_ = make_thread_queue();
  std::int64_t most_;
  int error_;
};

TEST(Experts, ShortReadsGoOnAndDiskErrorsSayWhere) {
  const TinyCheckpoint tiny("qwen3_moe");
  WeightFile file(tiny.directory());
  Weight table = file.table("model.embed_tokens", {kTinyVocab, 64});
  Weight* part = &table;
  ExpertReader whole(file, make_read_queue("auto")), short_reads(file, std::make_unique<FaultyQueue>(4096)),
      broken(file, std::make_unique<FaultyQueue>(1 << 30, EIO)), empty(file, std::make_unique<FaultyQueue>(0));
  for (ExpertReader* reader : {&whole, &short_reads, &broken, &empty}) {
    reader->add({&part, 1});
    reader->make_buffers(1);
    reader->begin(std::array{ExpertReader::Order{0, 0}});
  }
  for (ExpertReader* reader : {&whole, &short_reads}) {
    reader->wait(0);
    const StoredRows& read = reader->parts(0)[0].values;
    EXPECT_NE(read.data, table.values.data);
    EXPECT_TRUE(std::equal(read.data, read.data + table.bytes(), table.values.data));
  }
  const auto error_of = [](ExpertReader& reader) -> std::string {
    try {
      reader.wait(0);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(error_of(broken).find("cannot read"), std::string::npos) << error_of(broken);
  EXPECT_NE(error_of(broken).find("Input/output error"), std::string::npos);
  EXPECT_NE(error_of(empty).find("ends at byte"), std::string::npos) << error_of(empty);
}

TEST(Experts, OptionsThatNobodyHas) {
  for (const char* policy : {"fifo", "belady", "static", "lru:file", ""}) {
    EXPECT_THROW(Engine({.threads = 1, .expert_policy = policy}), UsageError) << policy;
  }
  EXPECT_THROW(Engine({.threads = 1, .expert_prefetch = "all"}), UsageError);
  EXPECT_THROW(Engine({.threads = 1, .expert_reads = "tape"}), UsageError);
}

TEST(Memory, WhatWasPromisedIsNotPromisedAgain) {
  const Engine engine({.threads = 1});
  const std::int64_t before = engine.expert_budget(0);
  ASSERT_GT(before, 1 << 20);
  engine.promise_memory(2 * before);
  EXPECT_EQ(engine.expert_budget(0), 0);
  engine.promise_memory(-2 * before);
  EXPECT_GT(engine.expert_budget(0), 0);
  const Engine told({.threads = 1, .memory_bytes = 1000});
  EXPECT_EQ(told.expert_budget(1 << 20), 1000);
  told.promise_memory(300);
  EXPECT_EQ(told.expert_budget(1 << 20), 700);
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

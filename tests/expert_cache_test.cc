// Whole texts of the shipped model of experts, at budgets that hold a part of them: the text is that of a model that is
// all in memory, and what the store loaded is what its trace gives.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/expert_replay.h"
#include "experiments/trial.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

TEST(ExpertCache, EventsAreRecordedIfAskedFor) {
  Engine engine({.threads = 1});
  const LoadedTarget target = load_target("demo-moe", engine);
  const std::vector<TokenId> prompt = encode_prompt(target, "The quick brown fox");
  for (const bool asked : {true, false, true}) {
    const Trial trial = run_trial(target, no_drafter(), prompt, {.max_tokens = 4, .expert_events = asked}, engine);
    EXPECT_EQ(trial.prefill_expert_events.empty(), !asked);
    for (const StepRecord& step : trial.steps) EXPECT_EQ(step.expert_events.empty(), !asked);
    EXPECT_GT(trial.experts.wanted, 0);
  }
}

Trial run_demo(const EngineOptions& options, const std::string& draft, ExpertLog* log = nullptr) {
  Engine engine(options);
  const LoadedTarget target = load_target("demo-moe", engine);
  const LoadedDrafter drafter = load_drafter(draft, {}, target, engine);
  const std::vector<TokenId> prompt = encode_prompt(target, "The quick brown fox");
  const TrialOptions text{.max_tokens = 16, .expert_events = true};
  if (log != nullptr) run_trial(target, drafter, prompt, text, engine);  // what was in memory before changes nothing
  Trial trial = run_trial(target, drafter, prompt, text, engine);
  if (log == nullptr) return trial;
  *log = target.model->experts()->described();
  log->events = trial.prefill_expert_events;
  log->prompt_events = log->events.size();
  for (const StepRecord& step : trial.steps) {
    log->events.insert(log->events.end(), step.expert_events.begin(), step.expert_events.end());
  }
  return trial;
}

TEST(ExpertCache, ATextIsTheSameAndItsLoadsAreThoseOfItsTrace) {
  const std::vector<TokenId> expected = run_demo({.threads = 1}, "none").generated;
  for (const char* policy : {"lru", "lfu"}) {
    for (const char* budget : {"1%", "25%", "60%"}) {
      for (const char* prefetch : {"none", "next-layer", "draft"}) {
        SCOPED_TRACE(std::string(policy) + " " + budget + " " + prefetch);
        ExpertLog log;
        const Trial trial =
            run_demo({.threads = 1, .expert_cache = budget, .expert_policy = policy, .expert_prefetch = prefetch},
                     "mtp,k=3", &log);
        EXPECT_EQ(trial.generated, expected);
        ExpertTraffic store = trial.prefill_experts;
        store += trial.experts;
        const ReplayCounts counts = replay(log, find_expert_policy(policy), log.room.slots);
        EXPECT_EQ(counts.all.wanted, store.wanted);
        EXPECT_EQ(counts.all.loads, store.loads);
        EXPECT_EQ(counts.steps.loads, trial.experts.loads);
        EXPECT_EQ(counts.all.prefetched_used, store.prefetched_used);
        EXPECT_EQ(counts.all.prefetched_wasted, store.prefetched_wasted);
        EXPECT_GE(store.prefetched, store.prefetched_used + store.prefetched_wasted);
        EXPECT_LE(replay(log, find_expert_policy("belady"), log.room.slots).all.loads, store.loads);
        EXPECT_EQ(store.prefetched > 0, std::string(prefetch) != "none");
      }
    }
  }
}

TEST(ExpertCache, ATraceIsReadAgainAndMakesAHotSet) {
  const TinyCheckpoint tiny("glm4_moe");
  const TemporaryDirectory out;
  const std::string trace = out.path() / "run.jsonl", again = out.path() / "again.jsonl",
                    table = out.path() / "table.json";
  const std::vector<std::string> run{SPECDEC_PROGRAM, "run",          "--target", tiny.directory(), "--prompt-tokens",
                                     "5,9,2",         "--max-tokens", "12",       "--expert-cache", "50%",
                                     "--text-only",   "--threads",    "1",        "--trace"};
  const auto with = [](std::vector<std::string> words, std::initializer_list<std::string> more) {
    words.insert(words.end(), more);
    return run_program(words);
  };
  const ProgramResult first = with(run, {trace});
  ASSERT_EQ(first.exit_code, 0) << first.output;
  for (const char* prefetch : {"none", "draft"}) {
    const ProgramResult hot = with(run, {again, "--expert-policy", "static:" + trace, "--expert-prefetch", prefetch});
    ASSERT_EQ(hot.exit_code, 0) << hot.output;
    const ProgramResult counted = run_program({SPECDEC_PROGRAM, "experts", "--trace", again, "--json", table});
    EXPECT_EQ(counted.exit_code, 0) << counted.output;
    const auto said = nlohmann::json::parse(std::ifstream(table))["run"];
    EXPECT_GT(said["loads_of_store"], 0);
    EXPECT_EQ(said["loads_of_store"], said["loads_of_trace"]);
    EXPECT_EQ(said["prefetched_used_of_store"], said["prefetched_used_of_trace"]);
    EXPECT_EQ(said["prefetched_wasted_of_store"], said["prefetched_wasted_of_trace"]);
  }
  const ProgramResult other = run_program({SPECDEC_PROGRAM, "run", "--expert-cache", "50%", "--text-only",
                                           "--expert-policy", "static:" + trace, "--max-tokens", "2"});
  EXPECT_EQ(other.exit_code, 1) << other.output;
  EXPECT_NE(other.output.find("is the trace of a model with"), std::string::npos) << other.output;
}

TEST(ExpertCache, WhatIsNoTraceSaysSo) {
  const TemporaryDirectory out;
  const auto expect = [&](std::string_view text, std::string_view complaint) {
    out.write("trace.jsonl", text);
    const ProgramResult result = run_program({SPECDEC_PROGRAM, "experts", "--trace", out.path() / "trace.jsonl"});
    EXPECT_EQ(result.exit_code, 1) << result.output;
    EXPECT_NE(result.output.find(complaint), std::string::npos) << result.output;
  };
  expect("", "says nothing of experts");
  expect("{\"run\": {}}\n", "says nothing of experts");
  expect("[1]\n", "is no JSON object");
  expect("{\"expert_events\": []}\n", "'expert_events' before 'expert_store'");
  expect("{\"expert_store\": {}}\n", "has no 'experts'");
}

}  // namespace
}  // namespace specdec

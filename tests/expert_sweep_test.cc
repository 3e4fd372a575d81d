// Budgets that were not run: loads as the store counts them, speeds from load times, and what is set beside them.
#include "experiments/expert_sweep.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files/json.h"
#include "core/files/mapped_file.h"
#include "tests/error_line.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

class Sweep : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (directory_.path() / name).string(); }

  // Of a tiny mixture, greedily, with guesses of a traced run or none.
  void trace(const std::string& name, const std::string& draft, const std::string& budget,
             const std::string& json = "") const {
    std::vector<std::string> words{SPECDEC_PROGRAM,
                                   "run",
                                   "--target",
                                   tiny_.directory().string(),
                                   "--draft",
                                   draft,
                                   "--prompt-tokens",
                                   "1,2,3,4",
                                   "--max-tokens",
                                   "24",
                                   "--ignore-eos",
                                   "--expert-cache",
                                   budget,
                                   "--threads",
                                   "1",
                                   "--trace",
                                   path(name)};
    if (!json.empty()) words.insert(words.end(), {"--json", path(json)});
    const ProgramResult result = run_program(words);
    ASSERT_EQ(result.exit_code, 0) << result.output;
  }

  const TemporaryDirectory directory_;
  const TinyCheckpoint tiny_{"qwen3_moe"};
};

// A resident run's trace says what a run with a budget loads, speculative and plain.
TEST_F(Sweep, ResidentTracesTellTheLoadsOfABudget) {
  trace("plain.jsonl", "none", "100%");
  const std::string draft = "replay,text=" + path("plain.jsonl") + ",right=0.6,k=2";
  trace("guessed.jsonl", draft, "100%");
  const SweepLogs logs = read_sweep_logs(path("guessed.jsonl"), path("plain.jsonl"));
  for (const std::string budget : {"40%", "70%"}) {
    trace("real.jsonl", draft, budget, "real.json");
    const std::vector<SweepLine> lines =
        sweep_experts(logs, std::vector<std::string>{"lru"}, std::vector{budget}, nullptr);
    const ExpertLog real = read_expert_log(path("real.jsonl"));
    EXPECT_EQ(lines[0].slots, real.room.slots);
    const ReplayCounts as_it_ran = *replay_as_it_ran(real);
    EXPECT_EQ(as_it_ran.all.loads, real.loads);
    EXPECT_EQ(lines[0].run.counts.loads, as_it_ran.steps.loads);
    EXPECT_EQ(lines[0].run.counts.wanted, as_it_ran.steps.wanted);
    std::int64_t loads = 0;
    for (std::size_t n = 0; n < as_it_ran.waits.size(); ++n) loads += static_cast<std::int64_t>(n) * as_it_ran.waits[n];
    EXPECT_EQ(loads, as_it_ran.steps.loads) << "without reading ahead, every load is waited for";
  }
}

TEST_F(Sweep, SpeedsAreThoseOfResidentStepsAndWaiting) {
  trace("plain.jsonl", "none", "100%");
  const SweepLogs logs = read_sweep_logs(path("plain.jsonl"), path("plain.jsonl"));
  LoadTimes loads;
  loads.add(1, 2, 0.01);
  const std::vector<SweepLine> lines =
      sweep_experts(logs, std::vector<std::string>{"lru", "belady"}, std::vector<std::string>{"40%", "100%"}, &loads);
  ASSERT_EQ(lines.size(), 4U);
  const SweepLine& some = lines[0];
  EXPECT_GT(some.run.counts.loads, 0);
  EXPECT_NEAR(
      *some.run.tokens_per_s,
      static_cast<double>(logs.run.tokens) / (logs.run.steps_s + 0.01 * static_cast<double>(some.run.counts.loads)),
      1e-6);
  EXPECT_DOUBLE_EQ(*some.speed_up(), 1) << "the same trace twice";
  EXPECT_LE(lines[1].run.counts.loads, some.run.counts.loads) << "nothing loads less than the optimum";
  EXPECT_EQ(lines[2].run.counts.loads, 0) << "all were packed before the first step";
  EXPECT_NEAR(*lines[2].run.tokens_per_s, static_cast<double>(logs.run.tokens) / logs.run.steps_s, 1e-6);
}

TEST_F(Sweep, SetsMeasuredBesidePredicted) {
  trace("plain.jsonl", "none", "100%");
  trace("guessed.jsonl", "replay,text=" + path("plain.jsonl") + ",right=0.6,k=2", "50%", "run.json");
  const SweepLogs logs = read_sweep_logs(path("guessed.jsonl"), path("plain.jsonl"));
  std::vector<SweepLine> lines =
      sweep_experts(logs, std::vector<std::string>{"lru"}, std::vector<std::string>{"25%", "50%"}, nullptr);
  const std::filesystem::path json = path("run.json");
  add_measured(std::array{json}, logs.run, lines);
  EXPECT_FALSE(lines[0].run.measured_tokens_per_s);
  ASSERT_TRUE(lines[1].measured_speed_up());
  const nlohmann::json figures = parse_json(std::string(MappedFile(json).text()), "run.json")["figures"];
  EXPECT_DOUBLE_EQ(*lines[1].run.measured_tokens_per_s, figures["tokens_per_s"].get<double>());
  EXPECT_DOUBLE_EQ(*lines[1].plain->measured_tokens_per_s, figures["plain_tokens_per_s"].get<double>());
  lines.pop_back();
  expect_error([&] { add_measured(std::array{json}, logs.run, lines); }, {"run.json", "50%", "none of the lines"});
  lines.push_back(lines.back());
  lines.back().budget = "50%";
  expect_error([&] { add_measured(std::array{json}, *logs.plain, lines); }, {"run.json", "another model or drafter"});
  const std::filesystem::path wrong = directory_.write("wrong.json", "{}");
  expect_error([&] { add_measured(std::array{wrong}, logs.run, lines); }, {"wrong.json", "run.options"});
  const TinyCheckpoint other("glm4_moe");
  expect_error([&] { read_sweep_logs(path("guessed.jsonl"), path("nowhere.jsonl")); }, {"nowhere.jsonl"});
  expect_error([&] { read_sweep_logs(path("plain.jsonl"), path("guessed.jsonl")); }, {"guessed.jsonl", "--draft none"});
}

TEST(Crossings, AreWhereTheLinesMeetOne) {
  using Points = std::vector<std::pair<double, double>>;
  EXPECT_TRUE(crossings_of_one(Points{{0.1, 0.5}, {0.5, 0.9}}).empty());
  const std::vector<double> found = crossings_of_one(Points{{0.1, 0.8}, {0.3, 1.2}, {0.5, 1.1}, {0.6, 0.9}});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NEAR(found[0], 0.2, 1e-9);
  EXPECT_NEAR(found[1], 0.55, 1e-9);
}

}  // namespace
}  // namespace specdec

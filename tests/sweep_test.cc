// Sweeps of the shipped model: killed, interrupted, shared, cut into parts and out of room, they end with what an
// undisturbed one ends with.
#include "experiments/sweep.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "core/rng.h"
#include "experiments/provenance.h"
#include "experiments/results.h"
#include "experiments/sweep_forecast.h"
#include "tests/children.h"
#include "tests/error_line.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;
using Mode = ResultStore::Mode;

std::vector<std::string> program(std::vector<std::string> words) {
  words.insert(words.begin(), SPECDEC_PROGRAM);
  return words;
}

std::vector<FinishedTrial> trials_of(const fs::path& path) { return ResultStore(path, Mode::read).trials(1); }

std::vector<TrialKey> keys_of(const fs::path& path) { return ResultStore(path, Mode::read).finished(1); }

bool is_of_time(const Column& column) {
  static const std::set<std::string> kUnits{"s", "ms", "tokens/s"};
  return kUnits.contains(column.unit) || column.name.starts_with("speed_up");
}

// The tables of all that was measured, without times.
std::string tables_of(const fs::path& path) {
  const ResultStore store(path, Mode::read);
  std::string text;
  for (const Table& table : results_of(store, store.experiments().at(0)).tables) {
    text += table.name + "\n";
    for (const auto& row : table.rows) {
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (!is_of_time(table.columns[i])) text += fmt::format("{}={} ", table.columns[i].name, text_of(row[i]));
      }
      text += "\n";
    }
  }
  return text;
}

// What makes a trial this one and no later one.
std::map<TrialKey, std::string> stamps_of(const fs::path& path) {
  std::map<TrialKey, std::string> stamps;
  for (const FinishedTrial& trial : trials_of(path)) {
    const std::string stamp = fmt::format("{} {}", trial.origin.date, trial.origin.wall_s);
    EXPECT_TRUE(stamps.emplace(trial.key, stamp).second) << trial.key.arm << " is there twice";
  }
  return stamps;
}

// A program that runs beside the test.
class Running {
 public:
  explicit Running(std::vector<std::string> command) {
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      ::execv(words[0], words.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
  }
  ~Running() { ::close(output_); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  std::string line() {  // the next one; empty: there is none
    std::string text;
    for (char c = 0; c != '\n' && ::read(output_, &c, 1) == 1;) text += c;
    return text;
  }
  int killed() {
    ::kill(child_, SIGKILL);
    return exit_code_of(child_);
  }
  int ended() {
    while (!line().empty()) {
    }
    return exit_code_of(child_);
  }

 private:
  pid_t child_ = -1;
  int output_ = -1;
};

class SweepOf : public testing::Test {
 protected:
  // Trials of some 25 ms.
  std::string config(int arms, int repeats, int seed = 1) const {
    std::vector<int> depths;
    for (int k = 1; k <= arms; ++k) depths.push_back(k);
    const nlohmann::json json{
        {"name", "short"},
        {"options", {{"prompts", prompts_.string()}, {"max_tokens", 6}, {"threads", 1}, {"draft", "ngram"}}},
        {"product", {{"k", depths}}},
        {"repeats", repeats},
        {"seed", seed}};
    return directory_.write(fmt::format("config-{}-{}-{}.json", arms, repeats, seed), json.dump()).string();
  }

  ProgramResult sweep(const std::string& config, const std::string& store, std::vector<std::string> more = {}) const {
    return run_program(command(config, store, std::move(more)));
  }
  std::vector<std::string> command(const std::string& config, const std::string& store,
                                   std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"sweep", config, "--store", at(store)});
    return program(more);
  }
  std::string at(const std::string& store) const { return (directory_.path() / store).string(); }

  const TemporaryDirectory directory_;
  const fs::path prompts_ = directory_.write(
      "prompts.jsonl",
      "{\"id\": \"a\", \"domain\": \"code\", \"prompt\": \"for (int i = 0; i < 3; ++i) for (int i = 0; i\"}\n"
      "{\"id\": \"b\", \"domain\": \"prose\", \"prompt\": \"It was the best of times, it was\"}\n");
};

TEST_F(SweepOf, FiftyKillsLoseNothing) {
  constexpr int kKills = 50, kArms = 4, kRepeats = 45;
  const std::string file = config(kArms, kRepeats);
  ASSERT_EQ(sweep(file, "undisturbed.db").exit_code, 0);
  double trial_s = 1;
  for (const FinishedTrial& trial : trials_of(at("undisturbed.db"))) trial_s = std::min(trial_s, trial.origin.wall_s);

  const Rng rng(17);
  std::map<TrialKey, std::string> before;
  int unfinished = 0;
  for (std::uint64_t i = 0; i < kKills; ++i) {
    Running running(command(file, "killed.db"));
    const bool while_it_starts = i % 10 == 0;
    if (!while_it_starts) {
      ASSERT_NE(running.line(), "");  // it has told of a trial
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(rng.uniform(i) * (while_it_starts ? 15 : 2) * trial_s));
    unfinished += running.killed() == 128 + SIGKILL ? 1 : 0;
    if (!fs::exists(at("killed.db")) || fs::file_size(at("killed.db")) == 0) continue;  // killed before it began
    const std::map<TrialKey, std::string> after = stamps_of(at("killed.db"));
    for (const auto& [key, stamp] : before) {
      ASSERT_TRUE(after.contains(key)) << "kill " << i << " lost " << key.arm << " " << key.repeat;
      ASSERT_EQ(after.at(key), stamp) << "kill " << i;
    }
    before = after;
  }
  EXPECT_EQ(unfinished, kKills) << "fewer trials than kills";
  EXPECT_GT(before.size(), 40U);
  const ProgramResult last = sweep(file, "killed.db");
  EXPECT_EQ(last.exit_code, 0) << last.output;
  const std::map<TrialKey, std::string> all = stamps_of(at("killed.db"));
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kArms * kRepeats));
  for (const auto& [key, stamp] : before) EXPECT_EQ(all.at(key), stamp);
  EXPECT_EQ(tables_of(at("killed.db")), tables_of(at("undisturbed.db")));
}

TEST_F(SweepOf, CtrlCSaysHowToGoOn) {
  const std::string file = config(2, 20);
  const ProgramResult first = run_program(command(file, "store.db"), 1);
  EXPECT_EQ(first.exit_code, 130) << first.output;
  const std::string words = "interrupted; go on with: specdec ";
  const std::size_t found = first.output.find(words);
  ASSERT_NE(found, std::string::npos) << first.output;
  const std::string line = first.output.substr(found + words.size());
  const std::map<TrialKey, std::string> before = stamps_of(at("store.db"));
  EXPECT_GE(before.size(), 1U);
  EXPECT_LT(before.size(), 40U);
  EXPECT_EQ(ResultStore(at("store.db"), Mode::read).running(1), 0);
  const ProgramResult second = run_program({"sh", "-c", SPECDEC_PROGRAM " " + line});
  EXPECT_EQ(second.exit_code, 0) << second.output;
  const std::map<TrialKey, std::string> after = stamps_of(at("store.db"));
  EXPECT_EQ(after.size(), 40U);
  for (const auto& [key, stamp] : before) EXPECT_EQ(after.at(key), stamp);
}

TEST_F(SweepOf, TwoProcessesAndThreePartsGiveTheWhole) {
  const std::string file = config(4, 10);
  ASSERT_EQ(sweep(file, "whole.db").exit_code, 0);
  const std::string expected = tables_of(at("whole.db"));

  Running one(command(file, "shared.db")), other(command(file, "shared.db"));
  EXPECT_EQ(one.ended(), 0);
  EXPECT_EQ(other.ended(), 0);
  EXPECT_EQ(stamps_of(at("shared.db")).size(), 40U);
  EXPECT_EQ(tables_of(at("shared.db")), expected);
  int alone = 0;
  for (const FinishedTrial& trial : trials_of(at("shared.db"))) alone += trial.origin.others == 0 ? 1 : 0;
  EXPECT_LT(alone, 40) << "they did not run at the same time";

  std::vector<std::string> merge{"results", "merge"};
  std::size_t parts = 0;
  for (const std::string number : {"1", "2", "3"}) {
    const std::string store = "part" + number + ".db";
    const ProgramResult result = sweep(file, store, {"--shard", number + "/3"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
    parts += keys_of(at(store)).size();
    merge.push_back(at(store));
  }
  EXPECT_EQ(parts, 40U);
  merge.insert(merge.end(), {"--store", at("merged.db")});
  for (int i = 0; i < 2; ++i) {
    const ProgramResult merged = run_program(program(merge));
    ASSERT_EQ(merged.exit_code, 0) << merged.output;
    EXPECT_EQ(tables_of(at("merged.db")), expected);
  }
  const ProgramResult again = sweep(file, "merged.db");
  EXPECT_NE(again.output.find("40 of 40 trials"), std::string::npos) << again.output;
  EXPECT_EQ(again.output.find("ran now"), std::string::npos) << again.output;
}

// A scheduler's script, run in the test's directory, then the command that makes one store of the parts.
class Submitted : public SweepOf {
 protected:
  void runs(const std::string& scheduler, const std::string& command) {
    const std::string file = config(3, 4), whole = "whole.db";
    ASSERT_EQ(sweep(file, whole).exit_code, 0);
    const ProgramResult script =
        run_program(program({"sweep", "submit", file, "--store", "the store.db", "--jobs", "3", scheduler}));
    ASSERT_EQ(script.exit_code, 0) << script.output;
    directory_.write("submit.sh", script.output);
    const std::string merge = "specdec results merge ";
    const std::string path = fs::path(SPECDEC_PROGRAM).parent_path().string() + ":" + std::getenv("PATH");
    const ProgramResult ran =
        run_program({"sh", "-c",
                     fmt::format("export PATH='{}'; cd '{}' && {} && eval \"$(grep -o '{}.*' submit.sh)\"", path,
                                 directory_.path().string(), command, merge)});
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    for (const char* part : {"1", "2", "3"})
      EXPECT_EQ(keys_of(at(fmt::format("the store.{}.db", part))).size(), 4U) << ran.output;
    EXPECT_EQ(tables_of(at("the store.db")), tables_of(at(whole)));
  }

  static bool has(const std::string& program) {
    return run_program({"sh", "-c", "PATH=$PATH:/usr/sbin command -v " + program}).exit_code == 0;
  }
};

TEST_F(Submitted, SlurmRunsTheParts) {
  for (const char* part : {"slurmctld", "slurmd", "munged", "sbatch"}) {
    if (!has(part)) GTEST_SKIP() << part << " is not installed: apt-get install slurm-wlm";
  }
  if (::geteuid() != 0) GTEST_SKIP() << "slurmd runs as root alone";
  runs("--slurm", SPECDEC_SOURCE_DIR "/tests/slurm/run.sh slurm submit.sh");
}

TEST_F(Submitted, GnuParallelRunsTheParts) {
  if (run_program({"parallel", "--version"}).output.find("GNU parallel") == std::string::npos)
    GTEST_SKIP() << "GNU parallel is not installed: apt-get install parallel";
  runs("--gnu-parallel", "sh submit.sh");
}

TEST_F(SweepOf, WithoutRoomItEndsInOneLineAndGoesOnLater) {
  const std::string file = config(2, 30);
  std::string words = "ulimit -f 300; trap '' XFSZ; exec";  // 150 KiB
  for (const std::string& word : command(file, "store.db")) words += " '" + word + "'";
  const ProgramResult full = run_program({"sh", "-c", words + " > /dev/null"});
  EXPECT_EQ(full.exit_code, 1) << full.output;
  EXPECT_TRUE(full.output.starts_with("specdec: " + at("store.db") + ": cannot write the store")) << full.output;
  EXPECT_NE(full.output.find("what was finished before is kept"), std::string::npos) << full.output;
  EXPECT_EQ(std::ranges::count(full.output, '\n'), 1) << full.output;
  const std::map<TrialKey, std::string> before = stamps_of(at("store.db"));
  EXPECT_GE(before.size(), 1U);
  EXPECT_LT(before.size(), 60U);
  EXPECT_EQ(sweep(file, "store.db").exit_code, 0);
  const std::map<TrialKey, std::string> after = stamps_of(at("store.db"));
  EXPECT_EQ(after.size(), 60U);
  for (const auto& [key, stamp] : before) EXPECT_EQ(after.at(key), stamp);
}

TEST_F(SweepOf, AChangedConfigOrTextIsNoPartOfTheExperiment) {
  const std::string file = config(1, 2);
  ASSERT_EQ(sweep(file, "store.db").exit_code, 0);
  ASSERT_EQ(sweep(config(1, 3), "store.db").exit_code, 0);
  EXPECT_EQ(ResultStore(at("store.db"), Mode::read).experiments().size(), 2U);
  directory_.write("prompts.jsonl", "{\"id\": \"a\", \"domain\": \"code\", \"prompt\": \"another text\"}\n");
  EXPECT_EQ(sweep(file, "store.db").exit_code, 0) << "nothing was left to run";
  const std::string longer = config(1, 4);
  ResultStore store(at("store.db"), Mode::write);
  SweepConfig changed = read_sweep_config(longer);
  run_sweep(changed, store, {.shard = 1, .shards = 4}, {});
  directory_.write("prompts.jsonl", "{\"id\": \"a\", \"domain\": \"code\", \"prompt\": \"a third text\"}\n");
  expect_error([&] { run_sweep(changed, store, {}, {}); }, {"prompts.jsonl", "another name"});
}

TEST_F(SweepOf, EveryTrialSaysWhereItComesFrom) {
  std::map<std::pair<int, std::string>, std::uint64_t> seeds;
  std::set<std::uint64_t> different;
  ResultStore store(at("store.db"), Mode::write);
  run_sweep(read_sweep_config(config(2, 2)), store, {}, {});
  for (const FinishedTrial& trial : store.trials(1)) {
    const TrialOrigin& origin = trial.origin;
    EXPECT_EQ(origin.version, version());
    EXPECT_EQ(origin.date.size(), utc_now().size());
    EXPECT_EQ(nlohmann::json::parse(origin.options).at("max_tokens"), 6);
    EXPECT_EQ(nlohmann::json::parse(origin.options).at("prompts_hash").get<std::string>().size(), 16U);
    EXPECT_EQ(prompt_hashes_of(origin).size(), 2U);
    EXPECT_NE(prompt_hashes_of(origin).at("a"), prompt_hashes_of(origin).at("b"));
    EXPECT_GT(nlohmann::json::parse(origin.machine).at("cores"), 0);
    EXPECT_EQ(origin.target_hash.size(), 16U);
    EXPECT_GT(origin.read_bytes_per_s, 1e6);
    const std::string probed = nlohmann::json::parse(origin.options).at("read_probe");
    EXPECT_EQ(probed.size(), origin.date.size());
    EXPECT_LE(probed, origin.date);
    double measured_s = 0;
    for (const MeasuredText& text : trial.texts) {
      EXPECT_EQ(text.identical, true);
      const auto [seed, is_new] = seeds.emplace(std::pair(trial.key.repeat, text.prompt), text.seed);
      EXPECT_EQ(seed->second, text.seed);  // of all arms
      if (is_new) {
        EXPECT_TRUE(different.insert(text.seed).second);
      }
      for (const TextFacts* facts : {&text.guessed, &text.plain}) {
        EXPECT_EQ(facts->tokens, 6);
        measured_s += facts->prefill_s + facts->times.total_s();
      }
    }
    EXPECT_GT(origin.wall_s, measured_s);
  }
}

// All options of the engine are among those of a trial, as they were when the experiment began.
TEST_F(SweepOf, AutoMeansTheSameMemoryFromBeginningToEnd) {
  const SweepConfig config = read_sweep_config(this->config(1, 3));
  ResultStore store(at("store.db"), Mode::write);
  constexpr std::int64_t kMemory = 123'456'789;
  ASSERT_EQ(store.memory_of(store.experiment_of(config), kMemory), kMemory);
  run_sweep(config, store, {}, {});
  for (const FinishedTrial& trial : store.trials(1)) {
    const nlohmann::json options = nlohmann::json::parse(trial.origin.options);
    EXPECT_EQ(options.at("memory_bytes"), kMemory);
    EXPECT_EQ(options.at("expert_cache"), "auto");
    EXPECT_EQ(options.at("threads"), 1);
    for (const char* option :
         {"compute", "cache", "expert_policy", "expert_prefetch", "expert_reads", "time_steps", "cpu"})
      EXPECT_TRUE(options.at(option).is_string()) << option;
  }
  ResultStore other(at("other.db"), Mode::write);
  run_sweep(config, other, {}, {});
  EXPECT_GT(other.known_memory(1).value(), 0);
  const nlohmann::json options = nlohmann::json::parse(other.trials(1).front().origin.options);
  EXPECT_EQ(options.at("memory_bytes"), other.known_memory(1).value());
}

TEST_F(SweepOf, ADryRunFindsADrafterThatCannotBeUsed) {
  const nlohmann::json json{{"name", "wrong"},
                            {"options", {{"prompts", prompts_.string()}, {"max_tokens", 6}, {"threads", 1}}},
                            {"product", {{"draft", {"ngram", "small:nowhere", "ngram,max=0"}}}},
                            {"repeats", 2}};
  const std::string file = directory_.write("wrong.json", json.dump()).string();
  const ProgramResult found = sweep(file, "store.db", {"--dry-run"});
  EXPECT_EQ(found.exit_code, 1) << found.output;
  EXPECT_NE(found.output.find("small:nowhere: cannot be measured: no model 'nowhere'"), std::string::npos)
      << found.output;
  EXPECT_NE(found.output.find("ngram,max=0: cannot be measured: "), std::string::npos) << found.output;
  EXPECT_NE(found.output.find("\nabout "), std::string::npos) << found.output;
  EXPECT_FALSE(fs::exists(at("store.db")));
}

// The machine may slow down in between: within a factor.
TEST_F(SweepOf, AForecastIsAboutWhatItTakes) {
  const SweepConfig config = read_sweep_config(this->config(2, 20));
  const SweepForecast forecast = forecast_of(config, nullptr, {});
  EXPECT_TRUE(forecast.failed.empty());
  ResultStore store(at("store.db"), Mode::write);
  const double wall_s = run_sweep(config, store, {}, {}).wall_s;
  EXPECT_GT(forecast.seconds, wall_s / 4);
  EXPECT_LT(forecast.seconds, wall_s * 4);
  EXPECT_EQ(forecast_of(config, &store, {}).seconds, 0);
}

TEST_F(SweepOf, UntilEndsArmsEarlyUntilMoreIsAsked) {
  constexpr double kAnything = 1e9;
  const SweepConfig config = read_sweep_config(this->config(2, 6));
  ResultStore store(at("store.db"), Mode::write);
  std::vector<std::string> notes;
  const SweepCalls calls{.go_on = {},
                         .on_trial =
                             [&](const SweepProgress& progress) {
                               if (!progress.note.empty()) notes.push_back(progress.note);
                             },
                         .on_note = {}};
  const SweepOutcome outcome = run_sweep(config, store, {.until = kAnything}, calls);
  EXPECT_EQ(outcome.ran, 6);  // three repeats of each
  EXPECT_EQ(outcome.finished, 6);
  EXPECT_EQ(outcome.not_needed, 6);
  EXPECT_EQ(outcome.total, 12);
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_NE(notes[0].find("after 3 repeats"), std::string::npos) << notes[0];
  EXPECT_EQ(store.stopped(1).size(), 2U);
  EXPECT_EQ(run_sweep(config, store, {.until = kAnything}, calls).ran, 0);
  EXPECT_EQ(forecast_of(config, &store, {}).seconds, 0);
  constexpr double kNothing = 1e-9;
  EXPECT_EQ(run_sweep(config, store, {.until = kNothing}, calls).ran, 6);
  EXPECT_TRUE(store.stopped(1).empty());

  // Killed after a trial and before it was said that the arm ends: it is said when the sweep goes on.
  ResultStore killed(at("killed.db"), Mode::write);
  int finished = 0;
  run_sweep(config, killed, {},
            {.go_on = [&] { return finished == 6 ? Continue::no : Continue::yes; },
             .on_trial = [&](const SweepProgress&) { ++finished; },
             .on_note = {}});
  EXPECT_EQ(killed.finished(1).size(), 6U);
  std::vector<std::string> said;
  const auto listen = [&](const std::string& note) { said.push_back(note); };
  EXPECT_EQ(run_sweep(config, killed, {.until = kAnything}, {.go_on = {}, .on_trial = {}, .on_note = listen}).ran, 0);
  EXPECT_EQ(said.size(), 2U);
  EXPECT_EQ(run_sweep(config, killed, {.until = kAnything}, {.go_on = {}, .on_trial = {}, .on_note = listen}).ran, 0);
  EXPECT_EQ(said.size(), 2U) << "said twice";
}

TEST_F(SweepOf, TheOrderIsDrawnByTheSeedAndPartsPartitionIt) {
  const SweepConfig config = read_sweep_config(this->config(8, 4)), other = read_sweep_config(this->config(8, 4, 2));
  const std::vector<TrialKey> order = order_of(config, 1, 1);
  EXPECT_EQ(order, order_of(config, 1, 1));
  EXPECT_NE(order, order_of(other, 1, 1));
  ASSERT_EQ(order.size(), 32U);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i].repeat, static_cast<int>(i / 8));
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NE(order[i].arm, "") << i;
  const auto arms_in = [&](std::size_t repeat) {
    std::vector<std::string> arms;
    for (std::size_t i = 0; i < 8; ++i) arms.push_back(order[8 * repeat + i].arm);
    return arms;
  };
  EXPECT_NE(arms_in(0), arms_in(1));
  for (const int parts : {2, 3, 5, 32, 40}) {
    std::vector<TrialKey> all;
    for (int part = 1; part <= parts; ++part) {
      const std::vector<TrialKey> some = order_of(config, part, parts);
      EXPECT_LE(some.size(), 4 * ((8U + static_cast<unsigned>(parts) - 1) / static_cast<unsigned>(parts)));
      all.insert(all.end(), some.begin(), some.end());
    }
    std::vector<TrialKey> whole = order;
    std::ranges::sort(all);
    std::ranges::sort(whole);
    EXPECT_EQ(all, whole) << parts;
  }
}

// Texts that ended at once, or figures that are none, leave fields empty.
TEST_F(SweepOf, TablesHaveNumbersOrNothing) {
  const SweepConfig config = read_sweep_config(this->config(3, 2));
  ResultStore store(at("store.db"), Mode::write);
  const std::int64_t id = store.experiment_of(config);
  TextFacts nothing, nan;
  nothing.positions.push_back({0, 0});
  nan.positions.push_back({0, 0});
  for (double* seconds : {&nan.prefill_s, &nan.times.guess_s, &nan.times.look_s}) *seconds = NAN;
  for (TextFacts* facts : {&nothing, &nan}) facts->layers.push_back({1, NAN, 0, NAN});
  for (std::size_t arm = 0; arm < 3; ++arm) {
    for (int repeat = 0; repeat < 2; ++repeat) {
      FinishedTrial trial{{identity_of(config.arms[arm]), repeat}, {}, {}};
      for (const char* prompt : {"a", "b", "c", "d", "e"}) {
        trial.texts.push_back({.prompt = prompt,
                               .domain = "code",
                               .seed = 1,
                               .guessed_first = false,
                               .guessed = arm == 1 ? nan : nothing,
                               .plain = arm == 2 ? nan : nothing,
                               .identical = true});
      }
      store.finish(id, trial);
    }
  }
  for (const Table& table : results_of(store, store.experiments().at(0)).tables) {
    for (const auto& row : table.rows) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        const auto* number = std::get_if<double>(&row[i]);
        EXPECT_TRUE(number == nullptr || std::isfinite(*number)) << table.name << " " << table.columns[i].name;
      }
    }
  }
  EXPECT_EQ(run_sweep(config, store, {.until = 0.02}, {}).ran, 0);
}

}  // namespace
}  // namespace specdec

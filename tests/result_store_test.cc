// The store, with invented trials: what was written comes back, from one process or several, and what cannot be read or
// written is said in one line.
#include "experiments/result_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "experiments/process.h"
#include "tests/children.h"
#include "tests/error_line.h"
#include "tests/file_contents.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;
using Mode = ResultStore::Mode;

SweepConfig config_of(const std::string& name, int arms, int repeats) {
  std::vector<int> depths;
  for (int k = 1; k <= arms; ++k) depths.push_back(k);
  return parse_sweep_config(
      fmt::format(R"({{"name": "{}", "product": {{"k": {}}}, "repeats": {}}})", name, depths, repeats),
      "invented.json");
}

std::vector<TrialKey> keys_of(const SweepConfig& config) {
  std::vector<TrialKey> keys;
  for (int repeat = 0; repeat < config.repeats; ++repeat) {
    for (const Setting& arm : config.arms) keys.push_back({identity_of(arm), repeat});
  }
  return keys;
}

// No two figures of all trials with different `number` are equal.
FinishedTrial invented(const TrialKey& key, int number) {
  int next = 100 * number;
  const auto next_facts = [&] {
    TextFacts facts;
    for (std::int64_t* figure :
         {&facts.tokens, &facts.passes, &facts.rows, &facts.drafted, &facts.accepted, &facts.rejections,
          &facts.draft_passes, &facts.bytes.draft, &facts.bytes.accepted, &facts.bytes.rejected, &facts.loaded_bytes})
      *figure = ++next;
    for (double* seconds : {&facts.prefill_s, &facts.times.guess_s, &facts.times.look_s, &facts.times.judge_s,
                            &facts.times.keep_s, &facts.times.tell_s})
      *seconds = ++next / 7.0;
    for (int i = 0; i < 3; ++i) {
      next += 2;
      facts.positions.push_back({next, next - 1});
      facts.layers.push_back({i, next / 3.0, next / 5.0, next / 9.0});
    }
    return facts;
  };
  FinishedTrial trial{key,
                      {.version = fmt::format("0.1.{}", number),
                       .machine = R"({"cpu": "invented"})",
                       .options = R"({"target": "invented 'model'"})",
                       .target_hash = "0123",
                       .draft_hash = number % 2 == 0 ? "" : "4567",
                       .date = "2026-11-21T10:52:11Z",
                       .wall_s = number + 0.1,
                       .read_bytes_per_s = 1e10 / (number + 1),
                       .others = number},
                      {}};
  for (const std::optional<bool> identical :
       {std::optional<bool>(true), std::optional<bool>(false), std::optional<bool>()}) {
    trial.texts.push_back({.prompt = fmt::format("prompt-{} «ü»", ++next),
                           .domain = "code",
                           .seed = 0xfedcba9876543210 + static_cast<std::uint64_t>(number),
                           .guessed_first = identical.value_or(false),
                           .guessed = next_facts(),
                           .plain = next_facts(),
                           .identical = identical});
  }
  return trial;
}

std::string described(const TextFacts& facts) {
  std::string all =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", facts.tokens, facts.passes, facts.rows,
                  facts.drafted, facts.accepted, facts.rejections, facts.draft_passes, facts.prefill_s,
                  facts.times.guess_s, facts.times.look_s, facts.times.judge_s, facts.times.keep_s, facts.times.tell_s,
                  facts.bytes.draft, facts.bytes.accepted, facts.bytes.rejected, facts.loaded_bytes);
  for (const PositionTally& position : facts.positions)
    all += fmt::format(" {}/{}", position.accepted, position.tested);
  for (const LayerFacts& layer : facts.layers)
    all += fmt::format(" {}:{},{},{}", layer.layer, layer.woken, layer.accepted, layer.uniform);
  return all;
}

std::string described(const FinishedTrial& trial) {
  const TrialOrigin& origin = trial.origin;
  std::string all = fmt::format("{} {} {} {} {} {} {} {} {} {} {}\n", trial.key.arm, trial.key.repeat, origin.version,
                                origin.machine, origin.options, origin.target_hash, origin.draft_hash, origin.date,
                                origin.wall_s, origin.read_bytes_per_s, origin.others);
  for (const MeasuredText& text : trial.texts) {
    all += fmt::format("{} {} {} {} {}\n{}\n{}\n", text.prompt, text.domain, text.seed, text.guessed_first,
                       text.identical ? fmt::format("{}", *text.identical) : "sampled", described(text.guessed),
                       described(text.plain));
  }
  return all;
}

// Everything that a store says.
std::string described(const fs::path& path) {
  const ResultStore store(path, Mode::read);
  std::string all;
  for (const StoredExperiment& experiment : store.experiments()) {
    all += fmt::format("{}@{} {} {} {} {} {} {} {}\n{}\n", experiment.name, experiment.fingerprint, experiment.question,
                       experiment.method, experiment.created, experiment.axes, experiment.arms, experiment.repeats,
                       experiment.finished, experiment.config);
    for (const FinishedTrial& trial : store.trials(experiment.id)) all += described(trial);
    for (const StoppedArm& arm : store.stopped(experiment.id)) all += fmt::format("{}: {}\n", arm.arm, arm.why);
  }
  return all;
}

// Claims and finishes until nothing is left, or so many. Returns what it finished.
int run_all(ResultStore& store, const SweepConfig& config, int most = 1'000'000) {
  const std::int64_t experiment = store.experiment_of(config);
  const std::vector<TrialKey> order = keys_of(config);
  int finished = 0;
  while (finished < most) {
    const std::optional<TrialKey> key = store.claim(experiment, order);
    if (!key) break;
    const auto number = std::ranges::find(order, *key) - order.begin();
    store.finish(experiment, invented(*key, static_cast<int>(number)));
    ++finished;
  }
  return finished;
}

class Store : public testing::Test {
 protected:
  // With every trial of a config finished.
  fs::path whole(const std::string& name, const SweepConfig& config) const {
    const fs::path path = directory_.path() / name;
    ResultStore store(path, Mode::write);
    run_all(store, config);
    return path;
  }

  const TemporaryDirectory directory_;
  const fs::path path_ = directory_.path() / "store.db";
  const SweepConfig config_ = config_of("invented", 3, 2);
};

TEST_F(Store, EveryFieldComesBack) {
  const std::vector<TrialKey> keys = keys_of(config_);
  const FinishedTrial first = invented(keys[4], 1), second = invented(keys[0], 2);
  {
    ResultStore store(path_, Mode::write);
    const std::int64_t id = store.experiment_of(config_);
    store.finish(id, first);
    store.finish(id, second);
    store.stop(id, {keys[1].arm, "it's known"});
  }
  const ResultStore store(path_, Mode::read);
  ASSERT_EQ(store.experiments().size(), 1U);
  const StoredExperiment experiment = store.experiments().front();
  EXPECT_EQ(experiment.name, "invented");
  EXPECT_EQ(experiment.fingerprint, config_.fingerprint());
  EXPECT_EQ(experiment.axes, std::vector<std::string>{"k"});
  EXPECT_EQ(experiment.arms, 3);
  EXPECT_EQ(experiment.repeats, 2);
  EXPECT_EQ(experiment.finished, 2);
  EXPECT_EQ(experiment.config, config_.text);
  const std::vector<FinishedTrial> trials = store.trials(experiment.id);  // in the order of arms, then repeats
  ASSERT_EQ(trials.size(), 2U);
  EXPECT_EQ(described(trials[0]), described(second));
  EXPECT_EQ(described(trials[1]), described(first));
  EXPECT_EQ(described(store.trials_of(experiment.id, first.key.arm).at(0)), described(first));
  EXPECT_TRUE(store.trials_of(experiment.id, keys[2].arm).empty());
  EXPECT_TRUE(store.trials_of(experiment.id, first.key.arm, {first.key.repeat}).empty());
  EXPECT_EQ(store.trials_of(experiment.id, first.key.arm, {first.key.repeat + 1}).size(), 1U);
  ASSERT_EQ(store.stopped(experiment.id).size(), 1U);
  EXPECT_EQ(store.stopped(experiment.id)[0].arm, keys[1].arm);
  EXPECT_EQ(store.stopped(experiment.id)[0].why, "it's known");
}

// A figure that is none does not make the rest unreadable.
TEST_F(Store, NanComesBackAsNan) {
  FinishedTrial trial = invented(keys_of(config_)[0], 1);
  trial.origin.wall_s = -std::nan("");
  trial.texts[0].guessed.prefill_s = NAN;
  trial.texts[0].guessed.layers[1].woken = NAN;
  ResultStore store(path_, Mode::write);
  const std::int64_t id = store.experiment_of(config_);
  store.finish(id, trial);
  const FinishedTrial found = store.trials(id).at(0);
  EXPECT_TRUE(std::isnan(found.origin.wall_s));
  EXPECT_TRUE(std::isnan(found.texts[0].guessed.prefill_s));
  EXPECT_TRUE(std::isnan(found.texts[0].guessed.layers[1].woken));
  EXPECT_EQ(described(found.texts[0].plain), described(trial.texts[0].plain));
}

TEST_F(Store, GivesEveryTrialOnceInOrder) {
  ResultStore store(path_, Mode::write);
  const std::int64_t id = store.experiment_of(config_);
  const std::vector<TrialKey> keys = keys_of(config_);
  EXPECT_EQ(store.claim(id, keys), keys[0]);
  EXPECT_EQ(store.claim(id, keys), keys[1]);
  EXPECT_EQ(store.running(id), 2);
  store.finish(id, invented(keys[1], 1));
  store.give_back(id, keys[0]);
  EXPECT_EQ(store.running(id), 0);
  EXPECT_EQ(store.claim(id, keys), keys[0]);
  store.stop(id, {keys[2].arm, "known"});
  EXPECT_EQ(store.claim(id, keys), keys[3]);
  store.finish(id, invented(keys[0], 0));
  store.finish(id, invented(keys[0], 9));  // as of a process of whose life this machine does not know
  EXPECT_EQ(described(store.trials_of(id, keys[0].arm).at(0)), described(invented(keys[0], 0)));
  EXPECT_EQ(store.finished(id), (std::vector<TrialKey>{keys[0], keys[1]}));
}

TEST_F(Store, AChangedConfigIsAnotherExperiment) {
  SweepConfig words = config_;
  words.question = "why?";
  ResultStore store(path_, Mode::write);
  const std::int64_t id = store.experiment_of(config_);
  EXPECT_EQ(store.experiment_of(words), id);
  EXPECT_EQ(store.experiments().at(0).question, "why?");
  EXPECT_NE(store.experiment_of(config_of("invented", 4, 2)), id);
  EXPECT_NE(store.experiment_of(config_of("invented", 3, 3)), id);
  EXPECT_NE(store.experiment_of(config_of("renamed", 3, 2)), id);
  run_all(store, config_);
  for (const StoredExperiment& experiment : store.experiments()) {
    EXPECT_EQ(experiment.finished, experiment.id == id ? 6 : 0);
  }
}

TEST_F(Store, WhatALivingProcessRunsIsLeftToItAndADeadOneForgotten) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const std::vector<TrialKey> keys = keys_of(config_);
  const pid_t other = start_child([&] {
    {
      ResultStore theirs(path_, Mode::write);
      EXPECT_EQ(theirs.claim(theirs.experiment_of(config_), keys), keys[0]);
    }
    EXPECT_EQ(::write(ends[1], "!", 1), 1);
    ::pause();
  });
  char ready = 0;
  ASSERT_EQ(::read(ends[0], &ready, 1), 1);
  ResultStore store(path_, Mode::write);
  const std::int64_t id = store.experiment_of(config_);
  EXPECT_EQ(store.running(id), 1);
  EXPECT_EQ(store.claim(id, keys), keys[1]);
  ::kill(other, SIGKILL);
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(other), &ended, WEXITED | WNOWAIT);
  EXPECT_EQ(store.running(id), 1);  // its own: the other is dead, though nobody has waited for it
  EXPECT_EQ(store.claim(id, keys), keys[0]);
  EXPECT_EQ(exit_code_of(other), 128 + SIGKILL);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Process, LivesUntilItEndsAndItsNumberIsNotEnough) {
  const std::string self = this_process();
  EXPECT_TRUE(process_lives(self));
  const std::size_t first = self.find(' '), second = self.find(' ', first + 1);
  ASSERT_NE(second, std::string::npos) << self;
  EXPECT_FALSE(process_lives(self.substr(0, first) + " 1" + self.substr(second))) << "another of this number";
  EXPECT_FALSE(process_lives(self.substr(0, second) + " 00000000-0000")) << "of another start of the machine";
  for (const char* none : {"", " ", "x", "0", "-1", "999999999 1 1"}) EXPECT_FALSE(process_lives(none)) << none;
}

// As fast as they can, from making the store on: nobody is turned away, and every trial is there once.
TEST_F(Store, ProcessesShareAStore) {
  constexpr int kProcesses = 4, kRounds = 4;
  const SweepConfig config = config_of("shared", 3, 8);
  for (int round = 0; round < kRounds; ++round) {
    const fs::path path = directory_.path() / fmt::format("shared{}.db", round);
    std::array<int, 2> start{};
    ASSERT_EQ(::pipe(start.data()), 0);
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      children.push_back(start_child([&] {
        ::close(start[1]);
        char none = 0;
        EXPECT_EQ(::read(start[0], &none, 1), 0);  // until all are there
        ResultStore store(path, Mode::write);
        run_all(store, config);
      }));
    }
    ::close(start[0]);
    ::close(start[1]);
    for (const pid_t child : children) EXPECT_EQ(exit_code_of(child), 0);
    const ResultStore store(path, Mode::read);
    ASSERT_EQ(store.experiments().size(), 1U);
    std::vector<TrialKey> expected = keys_of(config);
    std::ranges::sort(expected);
    EXPECT_EQ(store.finished(1), expected);
    EXPECT_EQ(store.running(1), 0);
    EXPECT_EQ(store.trials(1).size(), expected.size());
  }
}

TEST_F(Store, ThreadsWithAStoreEachShareOne) {
  const SweepConfig config = config_of("shared", 5, 8);
  std::array<int, 3> finished{};
  std::vector<std::thread> threads;
  for (int& count : finished) {
    threads.emplace_back([&] {
      ResultStore store(path_, Mode::write);
      count = run_all(store, config);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(finished[0] + finished[1] + finished[2], 40);
  EXPECT_EQ(ResultStore(path_, Mode::read).finished(1).size(), 40U);
}

TEST_F(Store, MergeMakesTheWholeOfItsParts) {
  const std::vector<TrialKey> keys = keys_of(config_);
  for (const std::size_t part : {0U, 1U}) {
    ResultStore store(directory_.path() / fmt::format("part{}.db", part), Mode::write);
    if (part == 1) store.experiment_of(config_of("another", 1, 1));  // so that numbers of experiments differ
    const std::int64_t id = store.experiment_of(config_);
    for (std::size_t i = part; i < keys.size(); i += 2) store.finish(id, invented(keys[i], static_cast<int>(i)));
  }
  ResultStore store(path_, Mode::write);
  const ResultStore part0(directory_.path() / "part0.db", Mode::read),
      part1(directory_.path() / "part1.db", Mode::read);
  const auto counts = [](const MergeCounts& merged) {
    return std::array{merged.experiments, merged.trials, merged.known};
  };
  EXPECT_EQ(counts(store.merge(part0)), (std::array<std::int64_t, 3>{1, 3, 0}));
  EXPECT_EQ(counts(store.merge(part1)), (std::array<std::int64_t, 3>{1, 3, 0}));
  EXPECT_EQ(counts(store.merge(part1)), (std::array<std::int64_t, 3>{0, 0, 3}));
  EXPECT_EQ(counts(store.merge(store)), (std::array<std::int64_t, 3>{0, 0, 6}));
  const ResultStore expected(whole("whole.db", config_), Mode::read);
  const std::vector<FinishedTrial> merged = store.trials(1), all = expected.trials(1);
  ASSERT_EQ(merged.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(described(merged[i]), described(all[i]));
}

TEST_F(Store, TheMemoryOfAnExperimentIsWhatItBeganWith) {
  const fs::path part = directory_.path() / "part.db";
  {
    ResultStore store(part, Mode::write);
    store.experiment_of(config_of("another", 1, 1));  // so that numbers of experiments differ
    const std::int64_t id = store.experiment_of(config_);
    EXPECT_EQ(store.known_memory(id), std::nullopt);
    EXPECT_EQ(store.memory_of(id, 700), 700);
    EXPECT_EQ(store.memory_of(id, 500), 700);
  }
  const ResultStore again(part, Mode::read);
  EXPECT_EQ(again.known_memory(1), std::nullopt);
  EXPECT_EQ(again.known_memory(2), 700);
  ResultStore merged(path_, Mode::write);
  merged.merge(again);
  const StoredExperiment last = merged.experiments().back();
  EXPECT_EQ(last.name, config_.name);
  EXPECT_EQ(merged.known_memory(last.id), 700);
}

TEST_F(Store, WhatIsNoStoreIsNamedAndLeftAsItIs) {
  const fs::path path = whole("whole.db", config_);
  const auto copy = [&](const std::string& sql) {
    const fs::path changed = directory_.path() / "changed.db";
    fs::copy_file(path, changed, fs::copy_options::overwrite_existing);
    Database(changed, Mode::write).run(sql.c_str());
    return changed;
  };
  const fs::path foreign = directory_.path() / "foreign.db", without = directory_.path() / "none" / "store.db";
  Database(foreign, Mode::write).run("CREATE TABLE notes(text TEXT)");
  const fs::path text = directory_.write("text.db", "What is SQLite?\n" + std::string(5000, '.'));
  const fs::path empty = directory_.write("empty.db", "");
  const std::string before = contents(foreign);
  for (const Mode mode : {Mode::read, Mode::write}) {
    const auto open = [&](const fs::path& at) { return [&, at] { ResultStore(at, mode); }; };
    expect_error(open(copy("PRAGMA user_version = 2")), {"changed.db", "version 2", "newer specdec", "up to 1"});
    expect_error(open(copy("PRAGMA user_version = 0")), {"changed.db", "damaged"});
    expect_error(open(copy("ALTER TABLE trial ADD COLUMN mood TEXT")), {"changed.db", "damaged", "tables"});
    expect_error(open(foreign), {"foreign.db", "another program", "--store"});
    expect_error(open(text), {"text.db", "no store of specdec", "--store"});
    expect_error(open(directory_.path()), {directory_.path().string(), "cannot open", "--store"});
  }
  EXPECT_EQ(contents(foreign), before);
  expect_error([&] { ResultStore(empty, Mode::read); }, {"empty.db", "empty"});
  expect_error([&] { ResultStore(path_, Mode::read); }, {"store.db", "no such store", "specdec sweep"});
  expect_error([&] { ResultStore(without, Mode::read); }, {"none/store.db", "no such store"});
  expect_error([&] { ResultStore(without, Mode::write); }, {"none/store.db", "cannot open", "directory"});
  EXPECT_FALSE(fs::exists(path_));
  ResultStore filled(empty, Mode::write);
  EXPECT_EQ(run_all(filled, config_), 6);
}

// Wherever a byte is another, or the file ends: it is said, or does not matter.
TEST_F(Store, DamageIsSaidOrDoesNotMatter) {
  const fs::path path = whole("whole.db", config_);
  {
    ResultStore store(path, Mode::write);
    store.stop(1, {keys_of(config_)[0].arm, "known"});
  }
  const std::string good = contents(path), expected = described(path);
  int harmless = 0, said = 0;
  const auto look = [&](const std::string& bytes, const std::string& what) {
    fs::remove(directory_.path() / "damaged.db");  // else every write waits for the disk
    const fs::path damaged = directory_.write("damaged.db", bytes);
    try {
      EXPECT_EQ(described(damaged), expected) << what;
      ++harmless;
    } catch (const Error& error) {
      const std::string line = error.what();
      EXPECT_TRUE(line.starts_with(damaged.string())) << line;
      EXPECT_EQ(line.find('\n'), std::string::npos) << what << ": " << line;
      EXPECT_TRUE(line.find("damaged") != std::string::npos || line.find("--store") != std::string::npos ||
                  line.find("newer specdec") != std::string::npos || line.find("empty") != std::string::npos)
          << what << ": " << line;
      ++said;
    }
    EXPECT_EQ(contents(damaged), bytes) << what;
    fs::remove(directory_.path() / "damaged.db-journal");
  };
  constexpr std::size_t kFlips = 600, kCuts = 40, kHeader = 100;
  const Rng rng(7);
  for (std::size_t i = 0; i < kFlips; ++i) {
    const auto anywhere = static_cast<std::size_t>(rng.uniform(2 * i) * static_cast<double>(good.size()));
    const std::size_t at = i < kHeader ? i : anywhere;
    const auto bit = static_cast<int>(rng.uniform(2 * i + 1) * 8);
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    look(bytes, fmt::format("bit {} of byte {} of {}", bit, at, good.size()));
  }
  for (std::size_t i = 0; i < kCuts; ++i) look(good.substr(0, good.size() * i / kCuts), fmt::format("cut {}", i));
  EXPECT_GT(said, 100);
  EXPECT_GT(harmless, 100);  // most pages have free bytes
}

// A user who is not root, or who reads from a place that cannot be written.
TEST_F(Store, AReadOnlyStoreIsReadAndNotWritten) {
  const fs::path path = whole("whole.db", config_);
  const std::string expected = described(path);
  fs::permissions(path, fs::perms(0444));
  fs::permissions(directory_.path(), fs::perms(0555));
  EXPECT_EQ(exit_code_of([&] {
              if (::geteuid() == 0) {
                ASSERT_EQ(::setuid(65534), 0);
              }
              if (::access(path.c_str(), R_OK) != 0) return;  // TMPDIR is of root alone
              EXPECT_EQ(described(path), expected);
              const auto write = [&] {
                ResultStore store(path, Mode::write);
                store.experiment_of(config_);
              };
              expect_error(write, {path.string(), "cannot write the store", "readonly", "give another --store"});
              expect_error([&] { ResultStore(path_, Mode::write); }, {path_.string(), "cannot open", "--store"});
            }),
            0);
  fs::permissions(directory_.path(), fs::perms(0755));
  fs::permissions(path, fs::perms(0644));
  EXPECT_EQ(described(path), expected);
}

// Writes until it cannot; gives what the error says. All that were finished are there, and with room it goes on.
void fill(const fs::path& path, const std::function<void()>& make_room, std::initializer_list<std::string_view> words) {
  const SweepConfig config = config_of("large", 10, 40);
  const std::vector<TrialKey> order = keys_of(config);
  std::vector<FinishedTrial> finished;
  {
    ResultStore store(path, Mode::write);
    const std::int64_t id = store.experiment_of(config);
    expect_error(
        [&] {
          for (const TrialKey& key : order) {
            ASSERT_EQ(store.claim(id, order), key);
            const FinishedTrial trial = invented(key, 1);
            store.finish(id, trial);
            finished.push_back(trial);
          }
        },
        words);
    EXPECT_GE(finished.size(), 5U);
    EXPECT_EQ(store.finished(id).size(), finished.size());
  }
  EXPECT_EQ(ResultStore(path, Mode::read).trials(1).size(), finished.size());
  make_room();
  ResultStore store(path, Mode::write);
  for (const FinishedTrial& trial : finished)
    EXPECT_EQ(described(store.trials_of(1, trial.key.arm).at(static_cast<std::size_t>(trial.key.repeat))),
              described(trial));
  EXPECT_EQ(run_all(store, config, 20), 20);
  EXPECT_EQ(store.finished(1).size(), finished.size() + 20);
}

TEST_F(Store, AFileThatMayNotGrowLosesNothing) {
  EXPECT_EQ(exit_code_of([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              rlimit limit{.rlim_cur = 200'000, .rlim_max = RLIM_INFINITY};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              const auto make_room = [&] {
                limit.rlim_cur = RLIM_INFINITY;
                ::setrlimit(RLIMIT_FSIZE, &limit);
              };
              fill(path_, make_room, {path_.string(), "cannot write the store", "what was finished before is kept"});
            }),
            0);
}

TEST_F(Store, AFullDiskLosesNothing) {
  constexpr int kCannotMount = 77;
  const int exit_code = exit_code_of([&] {  // its mounts are gone with it
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", directory_.path().c_str(), "tmpfs", 0, "size=200k") != 0)
      ::_exit(kCannotMount);
    const auto make_room = [&] {
      EXPECT_EQ(::mount("none", directory_.path().c_str(), "tmpfs", MS_REMOUNT, "size=100m"), 0);
    };
    fill(path_, make_room,
         {path_.string(), "cannot write the store", "the disk is full", "run the same command again"});
  });
  if (exit_code == kCannotMount) GTEST_SKIP() << "a small disk cannot be mounted here";
  EXPECT_EQ(exit_code, 0);
}

// Killed while it wrote, a journal stays behind: who only reads the store undoes that too.
TEST_F(Store, AReaderFindsWhatAKilledWriterFinished) {
  const fs::path path = whole("whole.db", config_);
  const std::string expected = described(path);
  EXPECT_EQ(exit_code_of([&] {
              const Database database(path, Mode::write);
              database.run("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE");
              database.run("UPDATE text SET prompt = prompt || 'half', guessed = guessed || '     '; DELETE FROM text");
              ::kill(::getpid(), SIGKILL);
            }),
            128 + SIGKILL);
  ASSERT_TRUE(fs::exists(path.string() + "-journal"));
  ASSERT_GT(fs::file_size(path.string() + "-journal"), 0U);
  EXPECT_EQ(described(path), expected);
}

}  // namespace
}  // namespace specdec

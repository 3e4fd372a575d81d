// Results that last: one SQLite file, one transaction per trial. Killed at any moment, it loses at most the trial that
// ran. Several processes of one machine may share it.
//   ResultStore store("specdec.db", ResultStore::Mode::write);
//   const std::int64_t experiment = store.experiment_of(config);
//   while (const auto key = store.claim(experiment, order)) store.finish(experiment, measure(*key));
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/database.h"
#include "experiments/measured_text.h"
#include "experiments/sweep_config.h"

namespace specdec {

struct TrialKey {
  std::string arm;  // identity_of its setting
  int repeat = 0;
  auto operator<=>(const TrialKey&) const = default;
};

// Where a trial was measured: a row of it cannot do without.
struct TrialOrigin {
  std::string version, machine, options;  // machine and options: JSON
  std::string target_hash, draft_hash;    // empty: the drafter reads no model
  std::string date;                       // UTC, of its end
  double wall_s = 0;                      // with all that is not measured
  double read_bytes_per_s = 0;            // of memory, not long before: its time is among the options
  int others = 0;                         // trials of this store that other processes ran meanwhile
};

// What trials of one experiment must have in common: hashes of models and prompts, by what they are and their names.
std::map<std::string, std::string> hashes_of(const TrialOrigin& origin);
std::string name_of_prompts(const std::string& prompts, int per_domain);

// Hashes of the texts of single prompts, by their ids; of trials of an older specdec none.
std::map<std::string, std::string> prompt_hashes_of(const TrialOrigin& origin);

struct FinishedTrial {
  TrialKey key;
  TrialOrigin origin;
  std::vector<MeasuredText> texts;
};

struct StoredExperiment {
  std::int64_t id = 0;
  std::string name, fingerprint, question, method, created;
  std::vector<std::string> axes;
  std::int64_t arms = 0, repeats = 0, finished = 0;
  std::string config;  // canonical JSON
};

struct StoppedArm {
  std::string arm, why;
};

struct MergeCounts {
  std::int64_t experiments = 0, trials = 0, known = 0;  // known: trials that were there already
};

class ResultStore {
 public:
  using Mode = Database::Mode;
  // Throws Error: no store, damaged, of a newer version. What is read later is compared with its checksums.
  ResultStore(const std::filesystem::path& path, Mode mode);

  // That of this name and fingerprint, made if there is none: a changed config is another experiment.
  std::int64_t experiment_of(const SweepConfig& config);
  std::vector<StoredExperiment> experiments() const;  // the oldest first

  // What "auto" may take of memory in all trials: `now` if nobody asked before.
  std::int64_t memory_of(std::int64_t experiment, std::int64_t now);
  std::optional<std::int64_t> known_memory(std::int64_t experiment) const;

  // The first trial of `order` that is neither finished, nor of a stopped arm, nor run by a living process.
  std::optional<TrialKey> claim(std::int64_t experiment, std::span<const TrialKey> order);
  void give_back(std::int64_t experiment, const TrialKey& key);
  void finish(std::int64_t experiment, const FinishedTrial& trial);  // of one that is there the first stays
  void stop(std::int64_t experiment, const StoppedArm& arm);
  void reopen(std::int64_t experiment, const std::string& arm);

  // What is done until it is committed is done at once, and waits for the disk once.
  Transaction transaction() const { return Transaction(database_); }

  int running(std::int64_t experiment) const;  // trials of living processes
  int running_in_all() const;                  // of all experiments
  std::vector<TrialKey> finished(std::int64_t experiment) const;
  std::vector<StoppedArm> stopped(std::int64_t experiment) const;
  // In the order of arms and repeats.
  std::vector<FinishedTrial> trials(std::int64_t experiment) const;
  // Without those of the repeats that are known.
  std::vector<FinishedTrial> trials_of(std::int64_t experiment, const std::string& arm,
                                       const std::set<int>& known = {}) const;

  // Takes over what another store has and this one has not. Throws Error if models or prompts differ under one name.
  MergeCounts merge(const ResultStore& other);

  const std::filesystem::path& path() const { return database_.path(); }

 private:
  std::vector<FinishedTrial> read_trials(std::int64_t experiment, const std::string& arm,
                                         const std::set<int>& known) const;
  void insert(std::int64_t experiment, const FinishedTrial& trial);
  std::int64_t insert_experiment(const StoredExperiment& experiment);
  void forget_dead_claims();

  Database database_;
};

}  // namespace specdec

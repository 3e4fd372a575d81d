#include "experiments/result_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "experiments/drafter_files.h"
#include "experiments/process.h"
#include "experiments/provenance.h"

namespace specdec {

namespace {

// Without what says how much is guessed.
std::string name_of_drafter(const std::string& text) {
  const DrafterSpec spec = parse_drafter_spec(text);
  std::string name = fmt::format("drafter {}:{}", spec.kind, spec.path);
  for (const std::string& file : files_of(spec)) name += "," + file;
  return name;
}

}  // namespace

std::map<std::string, std::string> hashes_of(const TrialOrigin& origin) {
  const nlohmann::json options = nlohmann::json::parse(origin.options, nullptr, false);
  if (!options.is_object()) return {};
  std::map<std::string, std::string> hashes;
  const auto add = [&](const char* option, const auto& name_of, const std::string& hash) {
    if (options.contains(option) && options[option].is_string())
      hashes.emplace(name_of(options[option].template get<std::string>()), hash);
  };
  const auto after = [](const char* words) { return [words](const std::string& name) { return words + name; }; };
  add("target", after("target "), origin.target_hash);
  add("target", after("tokenizer of "), options.value("texts_hash", ""));
  add("draft", name_of_drafter, origin.draft_hash);
  add("expert_policy", after("expert_policy "), options.value("expert_trace_hash", ""));
  add(
      "prompts", [&](const std::string& name) { return name_of_prompts(name, options.value("prompts_per_domain", 0)); },
      options.value("prompts_hash", ""));
  return hashes;
}

std::string name_of_prompts(const std::string& prompts, int per_domain) {
  return fmt::format("prompts {}{}", prompts, per_domain == 0 ? "" : fmt::format(", {} per domain", per_domain));
}

std::map<std::string, std::string> prompt_hashes_of(const TrialOrigin& origin) {
  const nlohmann::json options = nlohmann::json::parse(origin.options, nullptr, false);
  std::map<std::string, std::string> hashes;
  if (!options.is_object() || !options.contains("prompt_hashes")) return hashes;
  for (const auto& [id, hash] : options["prompt_hashes"].items()) {
    if (hash.is_string()) hashes.emplace(id, hash.get<std::string>());
  }
  return hashes;
}

namespace {

constexpr std::int64_t kApplication = 0x73706463;  // "spdc"
constexpr std::int64_t kVersion = 1;

constexpr const char* kTables = R"(
  CREATE TABLE experiment(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,  -- of the config
    question TEXT NOT NULL,
    method TEXT NOT NULL,
    created TEXT NOT NULL,
    axes TEXT NOT NULL,         -- JSON list
    arms INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    config TEXT NOT NULL,       -- canonical JSON
    checksum TEXT NOT NULL,     -- of this row
    UNIQUE(name, fingerprint));
  CREATE TABLE trial(
    id INTEGER PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiment(id),
    arm TEXT NOT NULL,          -- JSON: the options of its setting
    repeat INTEGER NOT NULL,
    version TEXT NOT NULL,
    machine TEXT NOT NULL,      -- JSON
    options TEXT NOT NULL,      -- JSON: all options, with what was not given
    target_hash TEXT NOT NULL,
    draft_hash TEXT NOT NULL,
    date TEXT NOT NULL,         -- UTC, of its end
    wall_s REAL,
    read_bytes_per_s REAL,
    others INTEGER NOT NULL,
    checksum TEXT NOT NULL,     -- of this row and of its texts
    UNIQUE(experiment, arm, repeat));
  CREATE TABLE text(
    trial INTEGER NOT NULL REFERENCES trial(id),
    place INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    domain TEXT NOT NULL,
    seed INTEGER NOT NULL,
    guessed_first INTEGER NOT NULL,
    identical INTEGER,          -- NULL: sampled
    guessed TEXT NOT NULL,      -- JSON: facts of the text with guesses
    plain TEXT NOT NULL,        -- JSON: facts of plain decoding
    PRIMARY KEY(trial, place)) WITHOUT ROWID;
  CREATE TABLE stop(
    experiment INTEGER NOT NULL REFERENCES experiment(id),
    arm TEXT NOT NULL,
    why TEXT NOT NULL,
    checksum TEXT NOT NULL,     -- of this row
    PRIMARY KEY(experiment, arm)) WITHOUT ROWID;
  CREATE TABLE claim(
    experiment INTEGER NOT NULL REFERENCES experiment(id),
    arm TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    process TEXT NOT NULL,
    PRIMARY KEY(experiment, arm, repeat)) WITHOUT ROWID;
)";

// SQLite by itself does not see a changed byte of a text, so rows have checksums.
void add_to(Checksum& sum, const TrialKey& key, const TrialOrigin& origin) {
  const auto without_sign = [](double number) { return std::isnan(number) ? NAN : number; };
  sum.add(key.arm, key.repeat, origin.version, origin.machine, origin.options, origin.target_hash, origin.draft_hash,
          origin.date, without_sign(origin.wall_s), without_sign(origin.read_bytes_per_s), origin.others);
}

int number_of(const std::optional<bool>& identical) { return identical ? static_cast<int>(*identical) : -1; }

void add_to(Checksum& sum, const MeasuredText& text, const std::string& guessed, const std::string& plain) {
  sum.add(text.prompt, text.domain, text.seed, text.guessed_first, number_of(text.identical), guessed, plain);
}

std::string checksum_of(const StoredExperiment& experiment) {
  Checksum sum;
  sum.add(experiment.name, experiment.fingerprint, experiment.question, experiment.method, experiment.created,
          fmt::format("{}", fmt::join(experiment.axes, ",")), experiment.arms, experiment.repeats, experiment.config);
  return sum.text();
}

std::string checksum_of(std::int64_t experiment, const StoppedArm& arm) {
  Checksum sum;
  sum.add(experiment, arm.arm, arm.why);
  return sum.text();
}

std::string checksum_of_memory(std::int64_t experiment, std::int64_t bytes) {
  Checksum sum;
  sum.add(experiment, bytes);
  return sum.text();
}

std::vector<std::string> list_from(const std::string& text) {
  const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> words;
  if (!list.is_array()) return words;
  for (const nlohmann::json& word : list) words.push_back(word.is_string() ? word.get<std::string>() : "");
  return words;
}

[[noreturn]] void fail_damaged(const Database& database, std::string_view what) {
  throw Error("{}: the store is damaged: {}; 'sqlite3 FILE .recover' saves what can be read; give another --store",
              database.path().string(), what);
}

constexpr const char* kSchema =
    "SELECT group_concat(sql) FROM (SELECT sql FROM sqlite_schema "
    "WHERE name IN ('experiment', 'trial', 'text', 'stop', 'claim') ORDER BY name)";

std::int64_t number_of(const Database& database, std::string_view sql) {
  Statement statement = database.prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

StoredExperiment experiment_from(const SweepConfig& config) {
  return {.name = config.name,
          .fingerprint = config.fingerprint(),
          .question = config.question,
          .method = config.method,
          .created = utc_now(),
          .axes = config.axes,
          .arms = static_cast<std::int64_t>(config.arms.size()),
          .repeats = config.repeats,
          .config = config.text};
}

std::string text_of(const Database& database, std::string_view sql) {
  Statement statement = database.prepare(sql);
  return statement.step() ? statement.text(0) : "";
}

std::string schema() {
  const Database empty(":memory:", Database::Mode::write);
  empty.run(kTables);
  return text_of(empty, kSchema);
}

std::optional<std::int64_t> find(const Database& database, const StoredExperiment& experiment) {
  Statement found = database.prepare("SELECT id FROM experiment WHERE name = ? AND fingerprint = ?");
  found.bind(experiment.name, experiment.fingerprint);
  if (!found.step()) return std::nullopt;
  return found.integer(0);
}

}  // namespace

ResultStore::ResultStore(const std::filesystem::path& path, Mode mode)
    : database_(path.empty() ? throw UsageError("--store: expected the name of a file")
                             : std::filesystem::absolute(path).lexically_normal(),
                mode) {
  database_.run("BEGIN");  // what is read now is of one moment: another process may be making the tables
  const std::int64_t application = number_of(database_, "PRAGMA application_id");
  const std::int64_t version = number_of(database_, "PRAGMA user_version");
  const bool is_new = application == 0 && number_of(database_, "SELECT count(*) FROM sqlite_schema") == 0;
  database_.run("COMMIT");
  if (!is_new && application != kApplication)
    throw Error("{}: an SQLite file of another program: give another --store", path.string());
  if (version > kVersion) {
    throw Error("{}: a store of version {}, from a newer specdec; this one reads up to {}: use the newer one",
                path.string(), version, kVersion);
  }
  if (!is_new) {
    const std::string found = text_of(database_, "PRAGMA integrity_check(1)");
    if (found != "ok") fail_damaged(database_, found.substr(0, found.find('\n')));
    if (version < kVersion || text_of(database_, kSchema) != schema()) fail_damaged(database_, "its tables are others");
    return;
  }
  if (mode == Mode::read) throw Error("{}: the store is empty", path.string());
  Transaction transaction(database_);
  if (number_of(database_, "SELECT count(*) FROM sqlite_schema") == 0) {  // nobody else was faster
    database_.run(kTables);
    database_.run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplication, kVersion).c_str());
  }
  transaction.commit();
}

std::int64_t ResultStore::insert_experiment(const StoredExperiment& experiment) {
  database_
      .prepare(
          "INSERT INTO experiment(name, fingerprint, question, method, created, axes, arms, repeats, config, checksum) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(experiment.name, experiment.fingerprint, experiment.question, experiment.method, experiment.created,
            nlohmann::json(experiment.axes).dump(), experiment.arms, experiment.repeats, experiment.config,
            checksum_of(experiment))
      .run();
  return database_.last_row();
}

std::int64_t ResultStore::experiment_of(const SweepConfig& config) {
  Transaction transaction(database_);
  const StoredExperiment wanted = experiment_from(config);
  std::optional<std::int64_t> id = find(database_, wanted);
  if (!id) id = insert_experiment(wanted);
  for (StoredExperiment known : experiments()) {
    if (known.id != *id) continue;
    known.question = config.question;  // words may change: they are not what was measured
    known.method = config.method;
    database_.prepare("UPDATE experiment SET question = ?, method = ?, checksum = ? WHERE id = ?")
        .bind(known.question, known.method, checksum_of(known), known.id)
        .run();
  }
  transaction.commit();
  return *id;
}

std::vector<StoredExperiment> ResultStore::experiments() const {
  Statement rows = database_.prepare(
      "SELECT id, name, fingerprint, question, method, created, axes, arms, repeats, config, "
      "(SELECT count(*) FROM trial WHERE trial.experiment = experiment.id), checksum FROM experiment ORDER BY id");
  std::vector<StoredExperiment> all;
  while (rows.step()) {
    all.push_back({.id = rows.integer(0),
                   .name = rows.text(1),
                   .fingerprint = rows.text(2),
                   .question = rows.text(3),
                   .method = rows.text(4),
                   .created = rows.text(5),
                   .axes = list_from(rows.text(6)),
                   .arms = rows.integer(7),
                   .repeats = rows.integer(8),
                   .finished = rows.integer(10),
                   .config = rows.text(9)});
    if (checksum_of(all.back()) != rows.text(11))
      fail_damaged(database_, fmt::format("experiment {} is not as it was written", rows.integer(0)));
  }
  return all;
}

// The table came with a later specdec of the same version of stores.
std::optional<std::int64_t> ResultStore::known_memory(std::int64_t experiment) const {
  if (number_of(database_, "SELECT count(*) FROM sqlite_schema WHERE name = 'memory'") == 0) return std::nullopt;
  Statement row = database_.prepare("SELECT bytes, checksum FROM memory WHERE experiment = ?");
  if (!row.bind(experiment).step()) return std::nullopt;
  const std::int64_t bytes = row.integer(0);
  if (checksum_of_memory(experiment, bytes) != row.text(1))
    fail_damaged(database_, "the memory of an experiment is not as it was written");
  return bytes;
}

std::int64_t ResultStore::memory_of(std::int64_t experiment, std::int64_t now) {
  Transaction transaction(database_);
  database_.run(
      "CREATE TABLE IF NOT EXISTS memory(experiment INTEGER PRIMARY KEY REFERENCES experiment(id), "
      "bytes INTEGER NOT NULL, checksum TEXT NOT NULL)");
  const std::optional<std::int64_t> known = known_memory(experiment);
  if (!known) {
    database_.prepare("INSERT INTO memory VALUES (?, ?, ?)")
        .bind(experiment, now, checksum_of_memory(experiment, now))
        .run();
  }
  transaction.commit();
  return known.value_or(now);
}

// A process that died cannot have given back what it ran.
void ResultStore::forget_dead_claims() {
  std::vector<std::string> dead;
  Statement rows = database_.prepare("SELECT DISTINCT process FROM claim");
  while (rows.step()) {
    if (!process_lives(rows.text(0))) dead.push_back(rows.text(0));
  }
  for (const std::string& process : dead) database_.prepare("DELETE FROM claim WHERE process = ?").bind(process).run();
}

std::optional<TrialKey> ResultStore::claim(std::int64_t experiment, std::span<const TrialKey> order) {
  Transaction transaction(database_);
  forget_dead_claims();
  std::set<TrialKey> taken;
  std::set<std::string> ended;
  Statement rows = database_.prepare(
      "SELECT arm, repeat FROM trial WHERE experiment = ?1 UNION SELECT arm, repeat FROM claim WHERE experiment = ?1");
  rows.bind(experiment);
  while (rows.step()) taken.insert({rows.text(0), static_cast<int>(rows.integer(1))});
  for (const StoppedArm& arm : stopped(experiment)) ended.insert(arm.arm);
  for (const TrialKey& key : order) {
    if (taken.contains(key) || ended.contains(key.arm)) continue;
    database_.prepare("INSERT INTO claim VALUES (?, ?, ?, ?)")
        .bind(experiment, key.arm, key.repeat, this_process())
        .run();
    transaction.commit();
    return key;
  }
  transaction.commit();
  return std::nullopt;
}

void ResultStore::give_back(std::int64_t experiment, const TrialKey& key) {
  database_.prepare("DELETE FROM claim WHERE experiment = ? AND arm = ? AND repeat = ?")
      .bind(experiment, key.arm, key.repeat)
      .run();
}

void ResultStore::insert(std::int64_t experiment, const FinishedTrial& trial) {
  const TrialOrigin& origin = trial.origin;
  std::vector<std::pair<std::string, std::string>> facts;
  Checksum sum;
  sum.add(experiment);
  add_to(sum, trial.key, origin);
  for (const MeasuredText& text : trial.texts) {
    const auto& [guessed, plain] = facts.emplace_back(json_of(text.guessed), json_of(text.plain));
    add_to(sum, text, guessed, plain);
  }
  database_
      .prepare(
          "INSERT INTO trial(experiment, arm, repeat, version, machine, options, target_hash, draft_hash, date, "
          "wall_s, read_bytes_per_s, others, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(experiment, trial.key.arm, trial.key.repeat, origin.version, origin.machine, origin.options,
            origin.target_hash, origin.draft_hash, origin.date, origin.wall_s, origin.read_bytes_per_s, origin.others,
            sum.text())
      .run();
  const std::int64_t id = database_.last_row();
  for (std::size_t i = 0; i < trial.texts.size(); ++i) {
    const MeasuredText& text = trial.texts[i];
    database_.prepare("INSERT INTO text VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, -1), ?8, ?9)")
        .bind(id, static_cast<std::int64_t>(i), text.prompt, text.domain, static_cast<std::int64_t>(text.seed),
              text.guessed_first, number_of(text.identical), facts[i].first, facts[i].second)
        .run();
  }
}

void ResultStore::finish(std::int64_t experiment, const FinishedTrial& trial) {
  Transaction transaction(database_);
  Statement known = database_.prepare("SELECT 1 FROM trial WHERE experiment = ? AND arm = ? AND repeat = ?");
  if (!known.bind(experiment, trial.key.arm, trial.key.repeat).step()) insert(experiment, trial);
  give_back(experiment, trial.key);
  transaction.commit();
}

void ResultStore::stop(std::int64_t experiment, const StoppedArm& arm) {
  database_.prepare("INSERT OR IGNORE INTO stop VALUES (?, ?, ?, ?)")
      .bind(experiment, arm.arm, arm.why, checksum_of(experiment, arm))
      .run();
}

int ResultStore::running(std::int64_t experiment) const {
  Statement rows = database_.prepare("SELECT process FROM claim WHERE experiment = ?");
  rows.bind(experiment);
  int living = 0;
  while (rows.step()) living += process_lives(rows.text(0)) ? 1 : 0;
  return living;
}

void ResultStore::reopen(std::int64_t experiment, const std::string& arm) {
  database_.prepare("DELETE FROM stop WHERE experiment = ? AND arm = ?").bind(experiment, arm).run();
}

int ResultStore::running_in_all() const {
  int living = 0;
  Statement rows = database_.prepare("SELECT process FROM claim");
  while (rows.step()) living += process_lives(rows.text(0)) ? 1 : 0;
  return living;
}

std::vector<TrialKey> ResultStore::finished(std::int64_t experiment) const {
  Statement rows = database_.prepare("SELECT arm, repeat FROM trial WHERE experiment = ? ORDER BY arm, repeat");
  rows.bind(experiment);
  std::vector<TrialKey> all;
  while (rows.step()) all.push_back({rows.text(0), static_cast<int>(rows.integer(1))});
  return all;
}

std::vector<StoppedArm> ResultStore::stopped(std::int64_t experiment) const {
  Statement rows = database_.prepare("SELECT arm, why, checksum FROM stop WHERE experiment = ? ORDER BY arm");
  rows.bind(experiment);
  std::vector<StoppedArm> all;
  while (rows.step()) {
    all.push_back({rows.text(0), rows.text(1)});
    if (checksum_of(experiment, all.back()) != rows.text(2))
      fail_damaged(database_, "what is said of an arm that ended is not as it was written");
  }
  return all;
}

std::vector<FinishedTrial> ResultStore::read_trials(std::int64_t experiment, const std::string& arm,
                                                    const std::set<int>& known) const {
  Statement rows = database_.prepare(
      "SELECT id, arm, repeat, version, machine, options, target_hash, draft_hash, date, wall_s, read_bytes_per_s, "
      "others, checksum FROM trial WHERE experiment = ?1 AND (?2 = '' OR arm = ?2) ORDER BY arm, repeat");
  rows.bind(experiment, arm);
  std::vector<FinishedTrial> all;
  while (rows.step()) {
    if (known.contains(static_cast<int>(rows.integer(2)))) continue;
    FinishedTrial& trial = all.emplace_back(FinishedTrial{{rows.text(1), static_cast<int>(rows.integer(2))},
                                                          {.version = rows.text(3),
                                                           .machine = rows.text(4),
                                                           .options = rows.text(5),
                                                           .target_hash = rows.text(6),
                                                           .draft_hash = rows.text(7),
                                                           .date = rows.text(8),
                                                           .wall_s = rows.number(9),
                                                           .read_bytes_per_s = rows.number(10),
                                                           .others = static_cast<int>(rows.integer(11))},
                                                          {}});
    Checksum sum;
    sum.add(experiment);
    add_to(sum, trial.key, trial.origin);
    std::vector<std::pair<std::string, std::string>> facts;
    Statement texts = database_.prepare(
        "SELECT prompt, domain, seed, guessed_first, identical, guessed, plain FROM text WHERE trial = ? "
        "ORDER BY place");
    texts.bind(rows.integer(0));
    while (texts.step()) {
      trial.texts.push_back({.prompt = texts.text(0),
                             .domain = texts.text(1),
                             .seed = static_cast<std::uint64_t>(texts.integer(2)),
                             .guessed_first = texts.integer(3) != 0,
                             .guessed = {},
                             .plain = {},
                             .identical = texts.is_null(4) ? std::nullopt : std::optional(texts.integer(4) != 0)});
      const auto& [guessed, plain] = facts.emplace_back(texts.text(5), texts.text(6));
      add_to(sum, trial.texts.back(), guessed, plain);
    }
    if (sum.text() != rows.text(12)) {
      throw Error(
          "{0}: the store is damaged: trial {1} is not as it was written; forget it with: sqlite3 FILE 'DELETE FROM "
          "text WHERE trial = {1}; DELETE FROM trial WHERE id = {1}', and the sweep runs it again",
          path().string(), rows.integer(0));
    }
    for (std::size_t i = 0; i < facts.size(); ++i) {
      trial.texts[i].guessed = facts_from(facts[i].first);
      trial.texts[i].plain = facts_from(facts[i].second);
    }
  }
  return all;
}

std::vector<FinishedTrial> ResultStore::trials(std::int64_t experiment) const {
  return read_trials(experiment, "", {});
}
std::vector<FinishedTrial> ResultStore::trials_of(std::int64_t experiment, const std::string& arm,
                                                  const std::set<int>& known) const {
  return read_trials(experiment, arm, known);
}

MergeCounts ResultStore::merge(const ResultStore& other) {
  Transaction transaction(database_);
  MergeCounts counts;
  for (const StoredExperiment& theirs : other.experiments()) {
    std::optional<std::int64_t> id = find(database_, theirs);
    if (!id) {
      id = insert_experiment(theirs);
      ++counts.experiments;
    }
    const std::vector<TrialKey> all = finished(*id);
    const std::set<TrialKey> known(all.begin(), all.end());
    std::map<std::string, std::string> hashes;
    for (const FinishedTrial& trial : trials(*id)) hashes.merge(hashes_of(trial.origin));
    for (const FinishedTrial& trial : other.trials(theirs.id)) {
      for (const auto& [name, hash] : hashes_of(trial.origin)) {
        const auto [ours, is_new] = hashes.emplace(name, hash);
        if (ours->second == hash) continue;
        throw Error("{}: {} is another there ({}) than in {} ({}): their trials cannot be one experiment",
                    other.path().string(), name, hash, path().string(), ours->second);
      }
      if (known.contains(trial.key)) {
        ++counts.known;
        continue;
      }
      insert(*id, trial);
      ++counts.trials;
    }
    for (const StoppedArm& arm : other.stopped(theirs.id)) stop(*id, arm);
    if (const auto memory = other.known_memory(theirs.id)) memory_of(*id, *memory);
  }
  transaction.commit();
  return counts;
}

}  // namespace specdec

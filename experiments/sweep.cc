#include "experiments/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/rng.h"
#include "experiments/arm_prompts.h"
#include "experiments/drafter_files.h"
#include "experiments/file_hash.h"
#include "experiments/loaded_models.h"
#include "experiments/provenance.h"
#include "experiments/speed_up.h"

namespace specdec {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUpTokens = 16;

using ModelKey = std::pair<std::string, EngineOptions>;

// What must be loaded anew when it changes.
ModelKey model_of(const Setting& setting) {
  Arm arm = arm_of(setting);
  return {std::move(arm.target), std::move(arm.engine)};
}

template <typename T>
void shuffle(std::vector<T>& all, const Rng& rng) {
  for (std::size_t i = all.size(); i > 1; --i)
    std::swap(all[i - 1], all[static_cast<std::size_t>(rng.uniform(i) * static_cast<double>(i))]);
}

// Gives a trial back that does not come to its end.
class Claimed {
 public:
  Claimed(ResultStore& store, std::int64_t experiment, const TrialKey& key)
      : store_(&store), experiment_(experiment), key_(key) {}
  ~Claimed() {
    if (store_ == nullptr) return;
    try {
      store_->give_back(experiment_, key_);
    } catch (const Error&) {  // of a store that cannot be written the claim ends with this process
    }
  }
  Claimed(const Claimed&) = delete;
  Claimed& operator=(const Claimed&) = delete;
  void is_finished() { store_ = nullptr; }

 private:
  ResultStore* store_;
  std::int64_t experiment_;
  TrialKey key_;
};

// Of all that a drafter reads besides the target; empty: nothing.
std::string hash_of(const DrafterSpec& drafter) {
  Checksum sum;
  bool any = false;
  const auto add = [&](const std::filesystem::path& path) {
    const std::string hash = hash_of_files(path);
    sum.add(hash);
    any = any || !hash.empty();
  };
  if (!drafter.path.empty()) add(resolve_model(drafter.path));
  for (const std::string& file : files_of(drafter)) add(file);
  return any ? sum.text() : "";
}

struct InputHashes {
  std::string draft, texts, prompts, expert_trace;  // texts: of the target's tokenizer and chat template
  std::map<std::string, std::string> each_prompt;   // of its text, by its id
  std::string chat_date;                            // that chat templates tell; empty: none does
};

// A model or a text is not what it was: no arm may be measured with it.
class ChangedInput : public Error {
 public:
  using Error::Error;
};

struct LabelledArm {
  Setting setting;
  std::string label;
};

// Runs trials, and keeps what they need from one to the next.
class Runner {
 public:
  Runner(const SweepConfig& config, ResultStore& store, const SweepOptions& options, const SweepCalls& calls)
      : config_(config),
        store_(store),
        calls_(calls),
        until_(options.until ? options.until : config.until),
        order_(order_of(config, options.shard, options.shards)),
        experiment_(store.experiment_of(config)),
        models_(store.memory_of(experiment_, memory_for_experts(config))) {
    for (const StoredExperiment& experiment : store.experiments()) {
      if (experiment.id == experiment_) created_ = experiment.created;
    }
    for (const Setting& arm : config.arms) arms_[identity_of(arm)] = {arm, label_of(arm, config.axes)};
    for (FinishedTrial& trial : store.trials(experiment_)) {
      note_origin(trial);
      keep(std::move(trial));
    }
    const std::set<std::string> ended = ended_arms();
    for (const auto& [arm, trials] : known_) {
      const std::string why = look_at(arm);
      if (!why.empty() && !ended.contains(arm)) note(why);
      if (why.empty() && ended.contains(arm)) store.reopen(experiment_, arm);  // more is asked of it now
    }
  }

  SweepOutcome run() {
    SweepOutcome outcome{.total = static_cast<std::int64_t>(order_.size()), .failed = {}};
    const auto begin = Clock::now();
    for (std::optional<TrialKey> key = store_.claim(experiment_, order_); key;) {
      Claimed claimed(store_, experiment_, *key);
      const auto trial_begin = Clock::now();
      std::optional<FinishedTrial> trial;
      try {
        trial = measure(*key);
      } catch (const ChangedInput&) {
        throw;
      } catch (const Error& error) {
        give_up(key->arm, error, outcome);
        key = store_.claim(experiment_, order_);
        continue;
      }
      if (!trial) {
        outcome.interrupted = true;
        break;
      }
      trial->origin.wall_s = seconds_since(trial_begin);
      outcome.interrupted = go_on() == Continue::no;
      Transaction transaction = store_.transaction();
      store_.finish(experiment_, *trial);
      keep_new_trials(key->arm);
      const std::string ended = look_at(key->arm);
      const std::optional<TrialKey> next = outcome.interrupted ? std::nullopt : store_.claim(experiment_, order_);
      transaction.commit();
      claimed.is_finished();
      outcome.wall_s += seconds_since(trial_begin);
      outcome.measured_s += measured_s(*trial);
      ++outcome.ran;
      tell(*key, ended, outcome, seconds_since(begin) / static_cast<double>(outcome.ran));
      key = next;
    }
    const Done done = this->done();
    outcome.finished = done.in_store;
    outcome.not_needed = done.not_needed;
    outcome.running_elsewhere = store_.running(experiment_);
    return outcome;
  }

 private:
  static double measured_s(const FinishedTrial& trial) {
    double sum = 0;
    for (const MeasuredText& text : trial.texts) {
      for (const TextFacts* facts : {&text.guessed, &text.plain}) sum += facts->prefill_s + facts->times.total_s();
    }
    return sum;
  }

  Continue go_on() const { return calls_.go_on ? calls_.go_on() : Continue::yes; }

  void note(const std::string& text) const {
    if (calls_.on_note) calls_.on_note(text);
  }

  // Trials of one experiment are of one model and one text under each name; of one version of the program, or it is
  // said.
  void note_origin(const FinishedTrial& trial) {
    hashes_.merge(hashes_of(trial.origin));
    if (trial.origin.version != version() && versions_.insert(trial.origin.version).second) {
      note(fmt::format("trials that are there are of specdec {}, those to come of {}: 'specdec results show' tells",
                       trial.origin.version, version()));
    }
  }

  void check_hash(const std::string& name, const std::string& hash) {
    const auto [known, is_new] = hashes_.emplace(name, hash);
    if (!is_new && known->second != hash) {
      throw ChangedInput(
          "{}: is another than that of the trials that are there ({}, now {}): give the experiment another name", name,
          known->second, hash);
    }
  }

  // The other arms can still be measured.
  void give_up(const std::string& arm, const Error& error, SweepOutcome& outcome) {
    note(fmt::format("{}: left out: {}", arms_.at(arm).label, error.what()));
    outcome.failed.push_back(arms_.at(arm).label);
    std::erase_if(order_, [&](const TrialKey& key) { return key.arm == arm; });
  }

  std::optional<FinishedTrial> measure(const TrialKey& key) {
    const Arm arm = arm_of(arms_.at(key.arm).setting);
    const LoadedArm loaded = models_.of(arm);
    const LoadedTarget& target = loaded.target;
    TrialOptions options = arm.trial;
    options.seed += static_cast<std::uint64_t>(key.repeat);
    if (!arm.ignore_eos) options.eos = target.eos;
    const auto& [prompts, prompts_hash, prompt_hashes] = prompts_for(arm);
    const auto [known, is_first] = inputs_.try_emplace(key.arm);  // what is loaded stays as it was
    if (is_first) {
      known->second = {.draft = hash_of(parse_drafter_spec(arm.draft)),
                       .texts = hash_of_texts(target.model->info().path),
                       .prompts = prompts_hash,
                       .expert_trace = hash_of_files(loaded.engine.expert_trace()),
                       .each_prompt = prompt_hashes,
                       .chat_date = told_date(target, arm, prompts)};
    }
    const InputHashes& inputs = known->second;
    // What is drawn after one prompt says nothing of the next.
    const auto pair = [&](std::size_t place, TrialOptions how, bool guessed_first) {
      const NamedPrompt& prompt = prompts[place];
      how.seed = Rng(how.seed).fork(place).bits(0) >> 32;
      std::optional<MeasuredText> text =
          measure_pair(target, loaded.drafter, encode(target, arm, prompt, time_of(created_)), how, loaded.engine,
                       guessed_first, [&] { return go_on(); });
      if (text) {
        text->prompt = prompt.id;
        text->domain = prompt.domain;
      }
      return text;
    };
    FinishedTrial trial{.key = key, .origin = origin_of(arm, loaded, options, inputs), .texts = {}};
    for (const auto& [name, hash] : hashes_of(trial.origin)) check_hash(name, hash);
    if (loaded.is_new) {
      TrialOptions short_one = options;
      short_one.max_tokens = std::min(options.max_tokens, kWarmUpTokens);
      if (!pair(0, short_one, true)) return std::nullopt;
    }

    const int others = store_.running_in_all() - 1;
    const Rng rng = Rng(config_.seed).fork(1).fork(static_cast<std::uint64_t>(key.repeat));
    std::vector<std::size_t> order(prompts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    shuffle(order, rng.fork(0));
    for (const std::size_t i : order) {
      const bool guessed_first = rng.fork(1).uniform(i) < 0.5;
      std::optional<MeasuredText> text = pair(i, options, guessed_first);
      if (!text) return std::nullopt;
      if (text->identical == false && make_rule(options.rule).lossless && options.verify_experts == 0)
        throw Error("the text after {} differs from plain decoding: this is a bug of specdec", prompts[i].id);
      trial.texts.push_back(std::move(*text));
    }
    trial.origin.date = utc_now();
    trial.origin.others = std::max({0, others, store_.running_in_all() - 1});
    return trial;
  }

  TrialOrigin origin_of(const Arm& arm, const LoadedArm& loaded, const TrialOptions& options,
                        const InputHashes& inputs) const {
    const Engine& engine = loaded.engine;
    nlohmann::ordered_json all{{"target", arm.target},
                               {"draft", arm.draft},
                               {"rule", options.rule},
                               {"verify_experts", options.verify_experts},
                               {"temperature", options.sampler.temperature},
                               {"top_k", options.sampler.top_k},
                               {"top_p", options.sampler.top_p},
                               {"min_p", options.sampler.min_p},
                               {"seed", options.seed},
                               {"max_tokens", options.max_tokens},
                               {"ignore_eos", arm.ignore_eos},
                               {"prefill_step", options.prefill_step},
                               {"prompts", arm.prompts},
                               {"prompts_per_domain", arm.prompts_per_domain},
                               {"prompts_hash", inputs.prompts},
                               {"prompt_hashes", inputs.each_prompt},
                               {"chat_date", inputs.chat_date},
                               {"texts_hash", inputs.texts},
                               {"expert_trace_hash", inputs.expert_trace},
                               {"read_probe", loaded.probe.date}};
    each_engine_option(arm.engine, [&](const char* name, const auto& value) { all[name] = value; });
    all["threads"] = engine.threads();
    all["cpu"] = engine.cpu_level();
    if (const std::int64_t memory = engine.options().memory_bytes; memory > 0) all["memory_bytes"] = memory;
    return {.version = std::string(version()),
            .machine = json_of(machine_, engine.threads(), std::string(engine.cpu_level())),
            .options = all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
            .target_hash = loaded.target.model->info().hash,
            .draft_hash = inputs.draft,
            .date = {},
            .wall_s = 0,
            .read_bytes_per_s = loaded.probe.read_bytes_per_s,
            .others = 0};
  }

  // That of the experiment, so that a prompt is the same whenever the sweep goes on.
  std::string told_date(const LoadedTarget& target, const Arm& arm, const std::vector<NamedPrompt>& prompts) const {
    const bool any =
        target.tokenizer != nullptr && tells_date(target.tokenizer->chat()) &&
        std::ranges::any_of(prompts, [&](const NamedPrompt& prompt) { return is_chat(target, arm, prompt); });
    return any ? created_ : "";
  }

  struct PromptSet {
    std::vector<NamedPrompt> prompts;
    std::string hash;
    std::map<std::string, std::string> each;  // hash of the text, by id
  };
  const PromptSet& prompts_for(const Arm& arm) {
    const auto [found, is_new] = prompts_.try_emplace({arm.prompts, arm.prompts_per_domain});
    if (is_new) {
      found->second.prompts = prompts_of(arm);
      Checksum sum;
      for (const NamedPrompt& prompt : found->second.prompts) {
        sum.add(prompt.id, prompt.domain, prompt.text, prompt.chat);
        Checksum text;
        text.add_bytes(prompt.text);
        found->second.each.emplace(prompt.id, text.text());
      }
      found->second.hash = sum.text();
    }
    return found->second;
  }

  std::set<std::string> ended_arms() const {
    std::set<std::string> ended;
    for (StoppedArm& arm : store_.stopped(experiment_)) ended.insert(std::move(arm.arm));
    return ended;
  }

  struct Done {
    std::int64_t in_store = 0, not_needed = 0;
  };
  Done done() const {
    const std::set<std::string> ended = ended_arms();
    const std::vector<TrialKey> all = store_.finished(experiment_);
    const std::set<TrialKey> in_store(all.begin(), all.end());
    Done done;
    for (const TrialKey& key : order_) {
      if (in_store.contains(key)) {
        ++done.in_store;
      } else if (ended.contains(key.arm)) {
        ++done.not_needed;
      }
    }
    return done;
  }

  void tell(const TrialKey& key, const std::string& ended, const SweepOutcome& outcome, double pace) const {
    SweepProgress progress{.finished = 0,
                           .total = static_cast<std::int64_t>(order_.size()),
                           .ran = outcome.ran,
                           .remaining_s = 0,
                           .arm = arms_.at(key.arm).label,
                           .best = {},
                           .best_speed_up = {},
                           .note = ended};
    const Done done = this->done();
    progress.finished = done.in_store + done.not_needed;
    progress.remaining_s = pace * static_cast<double>(progress.total - progress.finished);
    for (const auto& [arm, speed_up] : speed_ups_) {
      if (!(speed_up.value > progress.best_speed_up.value)) continue;
      progress.best = arms_.at(arm).label;
      progress.best_speed_up = speed_up;
    }
    if (calls_.on_trial) calls_.on_trial(progress);
  }

  void keep(FinishedTrial trial) {
    for (MeasuredText& text : trial.texts) {
      for (TextFacts* facts : {&text.guessed, &text.plain}) {
        facts->positions = {};
        facts->layers = {};
      }
    }
    trial.origin = {};
    known_[trial.key.arm].push_back(std::move(trial));
  }

  void keep_new_trials(const std::string& arm) {
    std::set<int> repeats;
    for (const FinishedTrial& trial : known_[arm]) repeats.insert(trial.key.repeat);
    for (FinishedTrial& trial : store_.trials_of(experiment_, arm, repeats)) keep(std::move(trial));
  }

  // All trials of an arm, of whatever process: how fast it is, and whether that is known well enough to end it. Says
  // so.
  std::string look_at(const std::string& arm) {
    constexpr int kLeastRepeats = 3;
    const std::vector<FinishedTrial>& trials = known_.at(arm);
    const Interval& speed_up = speed_ups_[arm] = speed_up_of(trials);
    const auto repeats = static_cast<int>(trials.size());
    const double half = (speed_up.high - speed_up.low) / 2 / speed_up.value;
    if (!until_ || repeats < kLeastRepeats || repeats >= config_.repeats || !(half <= *until_)) return {};
    const std::string why = fmt::format("after {} repeats: its speed-up is known to {:.1f} %", repeats, 100 * half);
    store_.stop(experiment_, {arm, why});
    return fmt::format("{} ends {}", arms_.at(arm).label, why);
  }

  const SweepConfig& config_;
  ResultStore& store_;
  const SweepCalls& calls_;
  std::optional<double> until_;
  std::vector<TrialKey> order_;
  std::int64_t experiment_;
  std::string created_;  // UTC
  LoadedModels models_;
  std::map<std::string, LabelledArm> arms_;                  // by identity
  std::map<std::string, std::vector<FinishedTrial>> known_;  // of the store, by arm: no more than speed-ups are made of
  std::map<std::string, Interval> speed_ups_;
  std::map<std::pair<std::string, int>, PromptSet> prompts_;
  std::map<std::string, InputHashes> inputs_;  // by arm
  std::map<std::string, std::string> hashes_;  // of what is read, by what it is and its name
  std::set<std::string> versions_;             // other ones, that were spoken of
  Machine machine_ = this_machine();
};

}  // namespace

std::vector<TrialKey> order_of(const SweepConfig& config, int shard, int shards) {
  SPECDEC_ASSERT(shard >= 1 && shard <= shards);
  std::vector<TrialKey> order;
  for (int repeat = 0; repeat < config.repeats; ++repeat) {
    const Rng rng = Rng(config.seed).fork(0).fork(static_cast<std::uint64_t>(repeat));
    std::map<ModelKey, std::vector<std::string>> by_model;
    for (std::size_t i = 0; i < config.arms.size(); ++i) {
      const std::size_t turn = static_cast<std::size_t>(repeat) + i;  // no arm is always on one machine
      if (turn % static_cast<std::size_t>(shards) != static_cast<std::size_t>(shard - 1)) continue;
      by_model[model_of(config.arms[i])].push_back(identity_of(config.arms[i]));
    }
    std::vector<std::vector<std::string>> groups;
    for (auto& [model, arms] : by_model) groups.push_back(std::move(arms));
    shuffle(groups, rng.fork(0));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      shuffle(groups[i], rng.fork(1).fork(i));
      for (std::string& arm : groups[i]) order.push_back({std::move(arm), repeat});
    }
  }
  return order;
}

SweepOutcome run_sweep(const SweepConfig& config, ResultStore& store, const SweepOptions& options,
                       const SweepCalls& calls) {
  return Runner(config, store, options, calls).run();
}

std::int64_t memory_for_experts(const SweepConfig& config) {
  std::set<ModelKey> models;
  for (const Setting& arm : config.arms) models.insert(model_of(arm));
  return memory_for_experts(models.size());
}

}  // namespace specdec

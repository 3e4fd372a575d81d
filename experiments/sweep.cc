#include "experiments/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/rng.h"
#include "experiments/loaded_models.h"
#include "experiments/provenance.h"
#include "experiments/speed_up.h"

namespace specdec {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUpTokens = 16;

// What must be loaded anew when it changes.
std::string model_of(const Setting& setting) {
  static constexpr std::array<const char*, 9> kOfEngine{"target",          "threads",      "compute",
                                                        "cache",           "expert_cache", "expert_policy",
                                                        "expert_prefetch", "expert_reads", "cpu"};
  std::string key;
  for (const char* name : kOfEngine) {
    const auto found = setting.find(name);
    key += found == setting.end() ? "\n" : text_of(found->second) + "\n";
  }
  return key;
}

std::vector<TokenId> encode(const LoadedTarget& target, const Arm& arm, const NamedPrompt& prompt) {
  const bool has_template = target.tokenizer != nullptr && !target.tokenizer->chat_template().empty();
  if (!arm.chat.value_or(prompt.chat && has_template)) return encode_prompt(target, prompt.text);
  std::vector<ChatMessage> messages;
  if (arm.system) messages.push_back({"system", *arm.system});
  messages.push_back({"user", prompt.text});
  return encode_chat(target, messages).tokens;
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
        experiment_(store.experiment_of(config)) {
    for (const Setting& arm : config.arms) arms_[identity_of(arm)] = {arm, label_of(arm, config.axes)};
    for (FinishedTrial& trial : store.trials(experiment_)) {
      note_origin(trial);
      if (!trial.texts.empty()) texts_[trial.key.arm].push_back(std::move(trial));
    }
  }

  SweepOutcome run() {
    SweepOutcome outcome;
    const auto begin = Clock::now();
    while (!outcome.interrupted) {
      const std::optional<TrialKey> key = store_.claim(experiment_, order_);
      if (!key) break;
      Claimed claimed(store_, experiment_, *key);
      const auto trial_begin = Clock::now();
      std::optional<FinishedTrial> trial = measure(*key);
      if (!trial) {
        outcome.interrupted = true;
        break;
      }
      trial->origin.wall_s = seconds_since(trial_begin);
      store_.finish(experiment_, *trial);
      claimed.is_finished();
      outcome.wall_s += seconds_since(trial_begin);
      outcome.measured_s += measured_s(*trial);
      ++outcome.ran;
      texts_[key->arm].push_back(std::move(*trial));
      tell(*key, outcome, seconds_since(begin) / static_cast<double>(outcome.ran));
      outcome.interrupted = go_on() == Continue::no;
    }
    outcome.finished = finished();
    outcome.total = static_cast<std::int64_t>(order_.size());
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

  // Trials of one experiment are of one model each, and one version of the program: else it is said.
  void note_origin(const FinishedTrial& trial) {
    const nlohmann::json options = nlohmann::json::parse(trial.origin.options, nullptr, false);
    if (options.is_object()) hashes_.emplace(options.value("target", ""), trial.origin.target_hash);
    if (trial.origin.version != version() && versions_.insert(trial.origin.version).second) {
      note(fmt::format("trials that are there are of specdec {}, those to come of {}: 'specdec results show' tells",
                       trial.origin.version, version()));
    }
  }

  void check_hash(const Arm& arm, const std::string& hash) {
    const auto [known, is_new] = hashes_.emplace(arm.target, hash);
    if (!is_new && known->second != hash) {
      throw Error(
          "{}: the store has trials of another model under this name ({}, now {}): give the experiment another "
          "name",
          arm.target, known->second, hash);
    }
  }

  std::optional<FinishedTrial> measure(const TrialKey& key) {
    const LabelledArm& labelled = arms_.at(key.arm);
    try {
      return measure(key, arm_of(labelled.setting));
    } catch (const Error& error) {
      throw Error("{}: {}", labelled.label, error.what());
    }
  }

  std::optional<FinishedTrial> measure(const TrialKey& key, const Arm& arm) {
    const LoadedArm loaded = models_.of(arm);
    const LoadedTarget& target = loaded.target;
    check_hash(arm, target.model->info().hash);
    TrialOptions options = arm.trial;
    options.seed += static_cast<std::uint64_t>(key.repeat);
    if (!arm.ignore_eos) options.eos = target.eos;
    const std::vector<NamedPrompt>& prompts = prompts_for(arm);
    const auto pair = [&](const NamedPrompt& prompt, const TrialOptions& how, bool guessed_first) {
      std::optional<MeasuredText> text = measure_pair(target, loaded.drafter, encode(target, arm, prompt), how,
                                                      loaded.engine, guessed_first, [&] { return go_on(); });
      if (text) {
        text->prompt = prompt.id;
        text->domain = prompt.domain;
      }
      return text;
    };
    if (loaded.is_new) {
      TrialOptions short_one = options;
      short_one.max_tokens = std::min(options.max_tokens, kWarmUpTokens);
      if (!pair(prompts.front(), short_one, true)) return std::nullopt;
    }

    FinishedTrial trial{.key = key, .origin = origin_of(arm, loaded, options), .texts = {}};
    const Rng rng = Rng(config_.seed).fork(1).fork(static_cast<std::uint64_t>(key.repeat));
    std::vector<std::size_t> order(prompts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    shuffle(order, rng.fork(0));
    for (const std::size_t i : order) {
      const bool guessed_first = rng.fork(1).uniform(i) < 0.5;
      std::optional<MeasuredText> text = pair(prompts[i], options, guessed_first);
      if (!text) return std::nullopt;
      if (text->identical == false && make_rule(options.rule).lossless && options.verify_experts == 0)
        throw Error("the text after {} differs from plain decoding: this is a bug of specdec", prompts[i].id);
      trial.texts.push_back(std::move(*text));
    }
    trial.origin.date = utc_now();
    trial.origin.others = std::max(0, store_.running(experiment_) - 1);
    return trial;
  }

  TrialOrigin origin_of(const Arm& arm, const LoadedArm& loaded, const TrialOptions& options) const {
    const Engine& engine = loaded.engine;
    const LoadedDrafter& drafter = loaded.drafter;
    const nlohmann::ordered_json all{{"target", arm.target},
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
                                     {"threads", engine.threads()},
                                     {"compute", arm.engine.compute},
                                     {"cache", arm.engine.cache},
                                     {"expert_cache", arm.engine.expert_cache},
                                     {"expert_policy", arm.engine.expert_policy},
                                     {"expert_prefetch", arm.engine.expert_prefetch},
                                     {"expert_reads", arm.engine.expert_reads},
                                     {"cpu", engine.cpu_level()}};
    return {.version = std::string(version()),
            .machine = json_of(machine_, engine.threads(), std::string(engine.cpu_level())),
            .options = all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
            .target_hash = loaded.target.model->info().hash,
            .draft_hash = drafter.model != nullptr ? drafter.model->info().hash : "",
            .date = {},
            .wall_s = 0,
            .read_bytes_per_s = loaded.read_bytes_per_s,
            .others = 0};
  }

  const std::vector<NamedPrompt>& prompts_for(const Arm& arm) {
    const auto key = std::pair(arm.prompts, arm.prompts_per_domain);
    const auto found = prompts_.find(key);
    return found != prompts_.end() ? found->second : prompts_.emplace(key, prompts_of(arm)).first->second;
  }

  std::int64_t finished() const {
    std::set<std::string> ended;
    for (const StoppedArm& arm : store_.stopped(experiment_)) ended.insert(arm.arm);
    const std::vector<TrialKey> all = store_.finished(experiment_);
    const std::set<TrialKey> done(all.begin(), all.end());
    return std::ranges::count_if(order_,
                                 [&](const TrialKey& key) { return done.contains(key) || ended.contains(key.arm); });
  }

  void tell(const TrialKey& key, const SweepOutcome& outcome, double pace) {
    SweepProgress progress{.finished = 0,
                           .total = static_cast<std::int64_t>(order_.size()),
                           .ran = outcome.ran,
                           .remaining_s = 0,
                           .arm = arms_.at(key.arm).label,
                           .best = {},
                           .best_speed_up = {},
                           .note = {}};
    speed_ups_[key.arm] = speed_up_of(texts_.at(key.arm));
    stop_if_known(key.arm, progress);
    progress.finished = finished();
    progress.remaining_s = pace * static_cast<double>(progress.total - progress.finished);
    for (const auto& [arm, speed_up] : speed_ups_) {
      if (!progress.best.empty() && speed_up.value <= progress.best_speed_up.value) continue;
      progress.best = arms_.at(arm).label;
      progress.best_speed_up = speed_up;
    }
    if (calls_.on_trial) calls_.on_trial(progress);
  }

  void stop_if_known(const std::string& arm, SweepProgress& progress) {
    constexpr std::size_t kLeastRepeats = 3;
    if (!until_ || texts_.at(arm).size() < kLeastRepeats) return;
    const Interval& speed_up = speed_ups_.at(arm);
    const double half = (speed_up.high - speed_up.low) / 2 / speed_up.value;
    if (!(half <= *until_)) return;
    const auto repeats = static_cast<int>(texts_.at(arm).size());
    if (repeats >= config_.repeats) return;
    const std::string why = fmt::format("after {} repeats: its speed-up is known to {:.1f} %", repeats, 100 * half);
    store_.stop(experiment_, {arm, why});
    progress.note = fmt::format("{} ends {}", arms_.at(arm).label, why);
  }

  const SweepConfig& config_;
  ResultStore& store_;
  const SweepCalls& calls_;
  std::optional<double> until_;
  std::vector<TrialKey> order_;
  std::int64_t experiment_;
  std::map<std::string, LabelledArm> arms_;  // by identity
  std::map<std::string, std::vector<FinishedTrial>> texts_;
  std::map<std::string, Interval> speed_ups_;
  std::map<std::pair<std::string, int>, std::vector<NamedPrompt>> prompts_;
  std::map<std::string, std::string> hashes_;  // of targets, by name
  std::set<std::string> versions_;             // other ones, that were spoken of
  Machine machine_ = this_machine();
  LoadedModels models_;
};

}  // namespace

std::vector<TrialKey> order_of(const SweepConfig& config, int shard, int shards) {
  SPECDEC_ASSERT(shard >= 1 && shard <= shards);
  std::vector<TrialKey> order;
  for (int repeat = 0; repeat < config.repeats; ++repeat) {
    const Rng rng = Rng(config.seed).fork(0).fork(static_cast<std::uint64_t>(repeat));
    std::map<std::string, std::vector<std::string>> by_model;
    for (std::size_t i = 0; i < config.arms.size(); ++i) {
      const std::size_t trial = static_cast<std::size_t>(repeat) * config.arms.size() + i;
      if (trial % static_cast<std::size_t>(shards) != static_cast<std::size_t>(shard - 1)) continue;
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

std::vector<NamedPrompt> prompts_of(const Arm& arm) {
  std::vector<NamedPrompt> all = read_prompts(arm.prompts);
  if (arm.prompts_per_domain == 0) return all;
  std::map<std::string, int> taken;
  std::erase_if(all, [&](const NamedPrompt& prompt) { return taken[prompt.domain]++ >= arm.prompts_per_domain; });
  return all;
}

double expected_s(const SweepConfig& config, const ResultStore* store, const SweepOptions& options) {
  std::set<TrialKey> done;
  std::map<std::string, std::vector<double>> seen;  // seconds of trials, by arm
  if (store != nullptr) {
    for (const StoredExperiment& experiment : store->experiments()) {
      if (experiment.name != config.name || experiment.fingerprint != config.fingerprint()) continue;
      for (const FinishedTrial& trial : store->trials(experiment.id)) {
        done.insert(trial.key);
        seen[trial.key.arm].push_back(trial.origin.wall_s);
      }
    }
  }
  LoadedModels models;
  std::map<std::string, double> plain_s;  // per token, by model
  double sum = 0;
  for (const Setting& setting : config.arms) {
    const std::string identity = identity_of(setting);
    const auto known = seen.find(identity);
    double trial_s = 0;
    if (known != seen.end()) {
      for (const double s : known->second) trial_s += s / static_cast<double>(known->second.size());
    } else {
      const Arm arm = arm_of(setting);
      const std::vector<NamedPrompt> prompts = prompts_of(arm);
      const auto [per_token, is_new] = plain_s.emplace(model_of(setting), 0.0);
      if (is_new) {
        Arm plain = arm;
        plain.draft = "none";
        const LoadedArm loaded = models.of(plain);
        TrialOptions how = arm.trial;
        how.max_tokens = kWarmUpTokens;
        const Trial trial =
            run_trial(loaded.target, loaded.drafter, encode(loaded.target, arm, prompts.front()), how, loaded.engine);
        per_token->second =
            facts_of(trial, loaded.target).times.total_s() / static_cast<double>(trial.generated.size());
      }
      trial_s = 2 * per_token->second * arm.trial.max_tokens * static_cast<double>(prompts.size());
    }
    for (const TrialKey& key : order_of(config, options.shard, options.shards)) {
      if (key.arm == identity && !done.contains(key)) sum += trial_s;
    }
  }
  return sum;
}

}  // namespace specdec

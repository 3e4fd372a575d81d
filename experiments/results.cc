#include "experiments/results.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "experiments/arm.h"
#include "experiments/speed_up.h"
#include "verify/rule.h"

namespace specdec {
namespace {

using Texts = std::vector<const MeasuredText*>;

struct StoredArm {
  std::string identity, label;
  Setting setting;
  std::vector<FinishedTrial> trials;

  Texts texts() const {
    Texts all;
    for (const FinishedTrial& trial : trials) {
      for (const MeasuredText& text : trial.texts) all.push_back(&text);
    }
    return all;
  }
};

Setting setting_from(const std::string& identity) {
  Setting setting;
  const nlohmann::json json = nlohmann::json::parse(identity);
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean()) {
      setting[name] = value.get<bool>();
    } else if (value.is_number_integer()) {
      setting[name] = value.get<std::int64_t>();
    } else if (value.is_number()) {
      setting[name] = value.get<double>();
    } else {
      setting[name] = value.get<std::string>();
    }
  }
  return setting;
}

bool is_value(const OptionValue& value, const std::string& text) {
  if (text_of(value) == text) return true;
  const auto* number = std::get_if<double>(&value);
  double wanted = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), wanted);
  return number != nullptr && failed == std::errc{} && end == text.data() + text.size() && wanted == *number;
}

bool meets(const Setting& setting, const std::vector<Condition>& conditions) {
  return std::ranges::all_of(conditions, [&](const Condition& condition) {
    const auto found = setting.find(condition.option);
    return found != setting.end() && is_value(found->second, condition.value);
  });
}

// Texts with the set of their prompts: other files have prompts of the same names.
std::vector<std::pair<std::string, const MeasuredText*>> texts_by_source(const StoredArm& arm) {
  std::vector<std::pair<std::string, const MeasuredText*>> all;
  for (const FinishedTrial& trial : arm.trials) {
    const nlohmann::json options = nlohmann::json::parse(trial.origin.options, nullptr, false);
    const std::string source = options.is_object() ? options.value("prompts", "") : "";
    for (const MeasuredText& text : trial.texts) all.emplace_back(source + " ", &text);
  }
  return all;
}

// In the order of the config.
std::vector<StoredArm> arms_of(const ResultStore& store, const StoredExperiment& experiment,
                               const std::vector<Condition>& conditions) {
  std::map<std::string, std::vector<FinishedTrial>> by_arm;
  for (FinishedTrial& trial : store.trials(experiment.id)) by_arm[trial.key.arm].push_back(std::move(trial));
  std::vector<StoredArm> arms;
  const nlohmann::json config = nlohmann::json::parse(experiment.config);
  for (const nlohmann::json& arm : config.at("arms")) {
    const std::string identity = arm.dump();
    const auto found = by_arm.find(identity);
    if (found == by_arm.end()) continue;
    Setting setting = setting_from(identity);
    if (!meets(setting, conditions)) continue;
    std::string label = label_of(setting, experiment.axes);
    arms.push_back({identity, std::move(label), std::move(setting), std::move(found->second)});
  }
  if (arms.empty()) {
    std::vector<std::string> asked;
    for (const Condition& condition : conditions) asked.push_back(condition.option + "=" + condition.value);
    throw Error("{}: no trial {}", experiment.name,
                asked.empty() ? "has ended yet" : fmt::format("of an arm with {}", fmt::join(asked, " and ")));
  }
  return arms;
}

double sum_of(const Texts& texts, const std::function<double(const MeasuredText&)>& figure) {
  double sum = 0;
  for (const MeasuredText* text : texts) sum += figure(*text);
  return sum;
}

Cell known(double value) {
  if (!std::isfinite(value)) return {};
  return value;
}
Cell share(double part, double whole) { return known(whole > 0 ? part / whole : NAN); }
Cell cell_of(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return std::int64_t{*flag};
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::get<std::string>(value);
}

using Row = std::vector<Cell>;

void add_interval(Row& row, const Interval& interval) {
  row.insert(row.end(), {known(interval.value), known(interval.low), known(interval.high)});
}

Interval ratio_over(std::span<const FinishedTrial> trials, const std::function<double(const MeasuredText&)>& above,
                    const std::function<double(const MeasuredText&)>& below) {
  std::vector<double> a, b;
  for (const Texts& cluster : clusters_of(trials)) {
    a.push_back(sum_of(cluster, above));
    b.push_back(sum_of(cluster, below));
  }
  const double any_a = std::accumulate(a.begin(), a.end(), 0.0), any_b = std::accumulate(b.begin(), b.end(), 0.0);
  if (!(any_a > 0 && any_b > 0)) return {any_b > 0 ? 0 : NAN, NAN, NAN};
  return ratio_interval(a, b);
}

Interval within(const Interval& interval, double least, double most) {  // NaN stays
  return {interval.value, interval.low < least ? least : interval.low, interval.high > most ? most : interval.high};
}

std::vector<Column> axis_columns(const StoredExperiment& experiment) {
  std::vector<Column> columns;
  for (const std::string& axis : experiment.axes) {
    const ArmOption* option = find_arm_option(axis);
    columns.push_back({axis, "", option == nullptr ? "" : std::string(option->meaning)});
  }
  return columns;
}

void add_axes(Row& row, const StoredArm& arm, const StoredExperiment& experiment) {
  for (const std::string& axis : experiment.axes) {
    const auto found = arm.setting.find(axis);
    row.emplace_back();
    if (found != arm.setting.end()) row.back() = cell_of(found->second);
  }
}

void add_interval_columns(std::vector<Column>& columns, const std::string& name, const std::string& unit,
                          const std::string& meaning) {
  columns.push_back({name, unit, meaning});
  columns.push_back({name + "_low", unit, "lower end of its 95 % interval"});
  columns.push_back({name + "_high", unit, "upper end of its 95 % interval"});
}

constexpr double kMega = 1e6;

// A figure of an arm: seconds, bytes or counts of its texts with guesses, by pass or by token.
struct Figure {
  const char *name, *unit, *meaning;
  double (*above)(const MeasuredText&);
  double (*below)(const MeasuredText&);
  double scale;
};

double passes(const MeasuredText& text) { return static_cast<double>(text.guessed.passes); }
double tokens(const MeasuredText& text) { return static_cast<double>(text.guessed.tokens); }
double plain_tokens(const MeasuredText& text) { return static_cast<double>(text.plain.tokens); }

double drafted(const MeasuredText& text) { return static_cast<double>(text.guessed.drafted); }
double accepted(const MeasuredText& text) { return static_cast<double>(text.guessed.accepted); }

double layer_sum(const TextFacts& facts, double LayerFacts::*figure) {
  double sum = 0;
  for (const LayerFacts& layer : facts.layers) sum += layer.*figure;
  return sum;
}

constexpr std::array kFigures{
    Figure{"tokens_per_s", "tokens/s", "tokens of texts with guesses per second of decoding", tokens,
           [](const MeasuredText& text) { return text.guessed.times.total_s(); }, 1},
    Figure{"plain_tokens_per_s", "tokens/s", "tokens of plain decoding per second", plain_tokens,
           [](const MeasuredText& text) { return text.plain.times.total_s(); }, 1},
    Figure{"read_mb_per_token", "MB", "weights that target and drafter read, each expert once per pass",
           [](const MeasuredText& text) { return static_cast<double>(text.guessed.bytes.total()); }, tokens, 1 / kMega},
    Figure{"plain_read_mb_per_token", "MB", "weights that plain decoding reads",
           [](const MeasuredText& text) { return static_cast<double>(text.plain.bytes.total()); }, plain_tokens,
           1 / kMega},
    Figure{"loaded_mb_per_token", "MB", "experts loaded from the file into the expert cache",
           [](const MeasuredText& text) { return static_cast<double>(text.guessed.loaded_bytes); }, tokens, 1 / kMega},
    Figure{"plain_loaded_mb_per_token", "MB", "the same, of plain decoding",
           [](const MeasuredText& text) { return static_cast<double>(text.plain.loaded_bytes); }, plain_tokens,
           1 / kMega},
    Figure{"experts_per_layer", "experts", "distinct experts that a pass wakes in a layer, mean",
           [](const MeasuredText& text) { return layer_sum(text.guessed, &LayerFacts::woken); },
           [](const MeasuredText& text) {
             return static_cast<double>(text.guessed.passes) * static_cast<double>(text.guessed.layers.size());
           },
           1},
    Figure{"wasted_experts_share", "", "of the experts woken, those that only rejected rows use",
           [](const MeasuredText& text) {
             return layer_sum(text.guessed, &LayerFacts::woken) - layer_sum(text.guessed, &LayerFacts::accepted);
           },
           [](const MeasuredText& text) { return layer_sum(text.guessed, &LayerFacts::woken); }, 1},
    Figure{"guess_ms_per_pass", "ms", "drafting", [](const MeasuredText& text) { return text.guessed.times.guess_s; },
           passes, 1e3},
    Figure{"look_ms_per_pass", "ms", "the target's pass",
           [](const MeasuredText& text) { return text.guessed.times.look_s; }, passes, 1e3},
    Figure{"judge_ms_per_pass", "ms", "which guesses stay",
           [](const MeasuredText& text) { return text.guessed.times.judge_s; }, passes, 1e3},
    Figure{"keep_ms_per_pass", "ms", "what rejected rows leave is dropped",
           [](const MeasuredText& text) { return text.guessed.times.keep_s; }, passes, 1e3},
    Figure{"prefill_ms_per_text", "ms", "reading the prompt, with the drafter's part",
           [](const MeasuredText& text) { return text.guessed.prefill_s; }, [](const MeasuredText&) { return 1.0; },
           1e3},
    Figure{"tell_ms_per_pass", "ms", "the drafter reads what was kept",
           [](const MeasuredText& text) { return text.guessed.times.tell_s; }, passes, 1e3},
};

bool is_lossless(const Setting& setting) {
  const Arm arm = arm_of(setting);
  return make_rule(arm.trial.rule).lossless && arm.trial.verify_experts == 0;
}

Table arms_table(const std::vector<StoredArm>& arms, const StoredExperiment& experiment,
                 const std::vector<StoppedArm>& stopped) {
  Table table{.name = "arms", .meaning = "a row per setting", .columns = {{"arm", "", "the setting"}}, .rows = {}};
  std::vector<Column>& columns = table.columns;
  for (Column& column : axis_columns(experiment)) columns.push_back(std::move(column));
  columns.insert(columns.end(), {{"lossless", "", "1: the text is the target's; 0: a rule or a limit changes it"},
                                 {"repeats", "", "trials that ended"},
                                 {"texts", "", "texts with guesses, one per prompt and repeat"},
                                 {"tokens", "", "generated in them"},
                                 {"stopped", "", "why it ended before all repeats; else empty"}});
  add_interval_columns(columns, "tokens_per_pass", "tokens", "accepted guesses and the one more token of a pass");
  add_interval_columns(columns, "accepted_share", "", "of the guesses made, those that stayed");
  add_interval_columns(columns, "speed_up", "",
                       "seconds per token of plain decoding, taken in turn on the same prompts, by those with guesses");
  for (const Figure& figure : kFigures) columns.push_back({figure.name, figure.unit, figure.meaning});
  columns.push_back({"identical_share", "", "greedy texts that are those of plain decoding; empty: sampled"});

  for (const StoredArm& arm : arms) {
    const Texts texts = arm.texts();
    Row row{arm.label};
    add_axes(row, arm, experiment);
    row.emplace_back(std::int64_t{is_lossless(arm.setting)});
    row.emplace_back(static_cast<std::int64_t>(arm.trials.size()));
    row.emplace_back(static_cast<std::int64_t>(texts.size()));
    row.emplace_back(static_cast<std::int64_t>(sum_of(texts, tokens)));
    const auto stop = std::ranges::find(stopped, arm.identity, &StoppedArm::arm);
    row.emplace_back(stop == stopped.end() ? std::string() : stop->why);
    const double guesses = sum_of(texts, drafted);
    add_interval(row, within(ratio_over(arm.trials, tokens, passes), 1, 1 + guesses / sum_of(texts, passes)));
    add_interval(row, within(ratio_over(arm.trials, accepted, drafted), 0, 1));
    add_interval(row, texts.empty() ? Interval{NAN, NAN, NAN} : speed_up_of(arm.trials));
    for (const Figure& figure : kFigures) {
      const double below = sum_of(texts, figure.below);
      row.push_back(share(figure.scale * sum_of(texts, figure.above), below));
    }
    const double compared = sum_of(texts, [](const MeasuredText& text) { return text.identical ? 1.0 : 0.0; });
    row.push_back(
        share(sum_of(texts, [](const MeasuredText& text) { return text.identical == true ? 1.0 : 0.0; }), compared));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table positions_table(const std::vector<StoredArm>& arms) {
  Table table{.name = "positions",
              .meaning = "a row per arm and position of a guess",
              .columns = {{"arm", "", "the setting"},
                          {"position", "", "1: the first guess after what is known"},
                          {"tested", "", "guesses there, where all before them had been accepted"},
                          {"accepted", "", "of them, those that stayed"},
                          {"accepted_share", "", "accepted / tested"}},
              .rows = {}};
  for (const StoredArm& arm : arms) {
    std::vector<PositionTally> sums;
    for (const MeasuredText* text : arm.texts()) {
      const auto& positions = text->guessed.positions;
      if (sums.size() < positions.size()) sums.resize(positions.size());
      for (std::size_t i = 0; i < positions.size(); ++i) {
        sums[i].tested += positions[i].tested;
        sums[i].accepted += positions[i].accepted;
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      table.rows.push_back(
          {arm.label, static_cast<std::int64_t>(i) + 1, sums[i].tested, sums[i].accepted, sums[i].rate()});
    }
  }
  return table;
}

Table layers_table(const std::vector<StoredArm>& arms) {
  Table table{.name = "layers",
              .meaning = "a row per arm and layer with routed experts; means per pass",
              .columns = {{"arm", "", "the setting"},
                          {"layer", "", "from 0"},
                          {"experts_woken", "experts", "distinct experts of all rows"},
                          {"experts_accepted", "experts", "distinct experts of the rows that stayed"},
                          {"experts_rejected_only", "experts", "that only rejected rows use"},
                          {"experts_uniform", "experts", "what rows would wake that choose evenly and independently"}},
              .rows = {}};
  for (const StoredArm& arm : arms) {
    std::map<int, LayerFacts> sums;
    double all_passes = 0;
    for (const MeasuredText* text : arm.texts()) {
      all_passes += passes(*text);
      for (const LayerFacts& layer : text->guessed.layers) {
        LayerFacts& sum = sums[layer.layer];
        sum.woken += layer.woken;
        sum.accepted += layer.accepted;
        sum.uniform += layer.uniform;
      }
    }
    for (const auto& [layer, sum] : sums) {
      table.rows.push_back({arm.label, std::int64_t{layer}, share(sum.woken, all_passes),
                            share(sum.accepted, all_passes), share(sum.woken - sum.accepted, all_passes),
                            share(sum.uniform, all_passes)});
    }
  }
  return table;
}

Table texts_table(const std::vector<StoredArm>& arms, const StoredExperiment& experiment) {
  Table table{.name = "texts",
              .meaning = "a row per arm, repeat and prompt: what was measured",
              .columns = {{"arm", "", "the setting"}},
              .rows = {}};
  for (Column& column : axis_columns(experiment)) table.columns.push_back(std::move(column));
  const std::vector<Column> rest{{"repeat", "", "from 0"},
                                 {"prompt", "", "its name"},
                                 {"domain", "", "of the prompt"},
                                 {"text_seed", "", "of the random numbers of this text"},
                                 {"order", "", "guessed-first, or plain-first"},
                                 {"tokens", "", "generated with guesses"},
                                 {"plain_tokens", "", "generated plainly"},
                                 {"passes", "", "of the target, with guesses"},
                                 {"drafted", "", "guesses made"},
                                 {"accepted", "", "guesses that stayed"},
                                 {"guessed_s", "s", "of decoding with guesses, without reading the prompt"},
                                 {"plain_s", "s", "of plain decoding, likewise"},
                                 {"read_bytes", "B", "weights read with guesses"},
                                 {"plain_read_bytes", "B", "weights read plainly"},
                                 {"loaded_bytes", "B", "experts loaded into the expert cache with guesses"},
                                 {"plain_loaded_bytes", "B", "the same, plainly"},
                                 {"identical", "", "1: the text of plain decoding; empty: sampled"}};
  table.columns.insert(table.columns.end(), rest.begin(), rest.end());
  for (const StoredArm& arm : arms) {
    for (const FinishedTrial& trial : arm.trials) {
      for (const MeasuredText& text : trial.texts) {
        Row row{arm.label};
        add_axes(row, arm, experiment);
        row.insert(row.end(),
                   {std::int64_t{trial.key.repeat}, text.prompt, text.domain, static_cast<std::int64_t>(text.seed),
                    std::string(text.guessed_first ? "guessed-first" : "plain-first"), text.guessed.tokens,
                    text.plain.tokens, text.guessed.passes, text.guessed.drafted, text.guessed.accepted,
                    known(text.guessed.times.total_s()), known(text.plain.times.total_s()), text.guessed.bytes.total(),
                    text.plain.bytes.total(), text.guessed.loaded_bytes, text.plain.loaded_bytes, Cell()});
        if (text.identical) row.back() = std::int64_t{*text.identical};
        table.rows.push_back(std::move(row));
      }
    }
  }
  return table;
}

// The different values of a fact of trials' origins, each once, in the order they came.
std::vector<std::string> values_of(const std::vector<StoredArm>& arms,
                                   const std::function<std::string(const TrialOrigin&)>& fact) {
  std::vector<std::string> values;
  for (const StoredArm& arm : arms) {
    for (const FinishedTrial& trial : arm.trials) {
      std::string value = fact(trial.origin);
      if (std::ranges::find(values, value) == values.end()) values.push_back(std::move(value));
    }
  }
  return values;
}

std::string machine_text(const std::string& json) {
  const nlohmann::json machine = nlohmann::json::parse(json, nullptr, false);
  if (!machine.is_object()) return json;
  return fmt::format("{}, {} cores, {:.0f} GB", machine.value("cpu", "?"), machine.value("cores", 0),
                     static_cast<double>(machine.value("memory_bytes", std::int64_t{0})) / 1e9);
}

std::string threads_text(const std::string& json) {
  const nlohmann::json machine = nlohmann::json::parse(json, nullptr, false);
  if (!machine.is_object()) return json;
  return fmt::format("{}, {}", machine.value("threads", 0), machine.value("instruction_set", "?"));
}

std::string model_text(const TrialOrigin& origin, const char* option, const std::string& hash) {
  const nlohmann::json options = nlohmann::json::parse(origin.options, nullptr, false);
  const std::string name = options.is_object() ? options.value(option, "?") : "?";
  return hash.empty() ? name : fmt::format("{} ({})", name, hash);
}

void add_provenance(Results& results, const std::vector<StoredArm>& arms, const StoredExperiment& experiment,
                    const ResultStore& store) {
  const auto add = [&](const std::string& what, const std::vector<std::string>& values) {
    results.provenance.emplace_back(what, fmt::format("{}", fmt::join(values, "; ")));
  };
  const auto versions = values_of(arms, [](const TrialOrigin& origin) { return origin.version; });
  const auto machines = values_of(arms, [](const TrialOrigin& origin) { return machine_text(origin.machine); });
  add("experiment", {fmt::format("{}@{}", experiment.name, experiment.fingerprint)});
  add("specdec", versions);
  add("machine", machines);
  add("threads and instruction set",
      values_of(arms, [](const TrialOrigin& origin) { return threads_text(origin.machine); }));
  add("targets",
      values_of(arms, [](const TrialOrigin& origin) { return model_text(origin, "target", origin.target_hash); }));
  add("drafters",
      values_of(arms, [](const TrialOrigin& origin) { return model_text(origin, "draft", origin.draft_hash); }));
  std::vector<std::string> dates = values_of(arms, [](const TrialOrigin& origin) { return origin.date; });
  std::ranges::sort(dates);
  add("measured", {fmt::format("{} to {}", dates.front(), dates.back())});
  add("store", {store.path().string()});
  add("config", {experiment.config});
  if (versions.size() > 1)
    results.warnings.push_back("trials of several versions of specdec: " +
                               fmt::format("{}", fmt::join(versions, "; ")));
  if (machines.size() > 1)
    results.warnings.push_back(
        "trials of several machines: speeds of arms cannot be compared where an arm ran on one alone");
}

// What the config says, and what is so in every sweep.
std::string method_of(const StoredExperiment& experiment) {
  return fmt::format(
      "{}{}Every repeat decodes each prompt twice, with guesses and plainly, one right after the other in an order "
      "that chance decides; repeats follow one another, the arms of each in a random order; the first text of an arm "
      "in "
      "a process is not counted. Speed-ups are of such pairs. Intervals are of 95 %, over prompts: by Student's t of "
      "the "
      "logarithm, and from 20 prompts on by the studentised bootstrap.",
      experiment.method, experiment.method.empty() ? "" : " ");
}

// Of what memory gave before trials, relative to that of trials on as many threads of the same machine.
double spread_of_memory(const std::vector<StoredArm>& arms) {
  std::map<std::string, std::vector<double>> by_machine;
  for (const StoredArm& arm : arms) {
    for (const FinishedTrial& trial : arm.trials)
      by_machine[trial.origin.machine].push_back(trial.origin.read_bytes_per_s);
  }
  double square = 0, count = 0;
  for (const auto& [machine, rates] : by_machine) {
    const double mean = std::accumulate(rates.begin(), rates.end(), 0.0) / static_cast<double>(rates.size());
    for (const double rate : rates) square += (rate / mean - 1) * (rate / mean - 1);
    count += static_cast<double>(rates.size());
  }
  return std::sqrt(square / count);
}

void add_warnings(Results& results, const std::vector<StoredArm>& arms, const StoredExperiment& experiment) {
  constexpr double kNoisy = 0.1;
  std::vector<std::string>& warnings = results.warnings;
  std::int64_t disturbed = 0, trials = 0;
  bool few_prompts = false;
  for (const StoredArm& arm : arms) {
    std::set<std::string> prompts;
    for (const FinishedTrial& trial : arm.trials) {
      disturbed += trial.origin.others > 0 ? 1 : 0;
      ++trials;
      for (const MeasuredText& text : trial.texts) prompts.insert(text.prompt);
    }
    few_prompts = few_prompts || prompts.size() < kLeastClusters;
  }
  if (experiment.finished < experiment.arms * experiment.repeats) {
    warnings.push_back(fmt::format("{} of {} trials: the rest has not been measured, or an arm ended early",
                                   experiment.finished, experiment.arms * experiment.repeats));
  }
  if (const double spread = spread_of_memory(arms); spread > kNoisy) {
    warnings.push_back(fmt::format(
        "a noisy machine: what memory gave before each trial varied by {:.0f} % (standard deviation); speed-ups are "
        "paired, seconds are not",
        100 * spread));
  }
  if (disturbed > 0) {
    warnings.push_back(
        fmt::format("{} of {} trials ran beside others of another process, and disturbed them", disturbed, trials));
  }
  if (few_prompts) warnings.push_back("fewer than 5 prompts: intervals speak of these prompts only");
}

}  // namespace

StoredExperiment find_experiment(const ResultStore& store, std::string_view name) {
  const std::size_t at = name.find('@');
  const std::string_view plain = name.substr(0, at);
  const std::string_view digits = at == std::string_view::npos ? std::string_view() : name.substr(at + 1);
  const std::vector<StoredExperiment> all = store.experiments();
  const StoredExperiment* found = nullptr;
  for (const StoredExperiment& experiment : all) {
    if (experiment.name != plain || !experiment.fingerprint.starts_with(digits)) continue;
    if (found == nullptr || experiment.finished > 0 || found->finished == 0) found = &experiment;
  }
  if (found != nullptr) return *found;
  std::vector<std::string> names;
  for (const StoredExperiment& experiment : all)
    names.push_back(fmt::format("{}@{}", experiment.name, experiment.fingerprint.substr(0, 8)));
  throw Error("{}: no experiment '{}'; there are: {}", store.path().string(), name,
              names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

Condition parse_condition(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw UsageError("'{}': expected OPTION=VALUE, such as k=4", text);
  Condition condition{text.substr(0, equals), text.substr(equals + 1)};
  if (find_arm_option(condition.option) == nullptr)
    throw UsageError("'{}': no option '{}'; there are: {}", text, condition.option, names_of_arm_options());
  return condition;
}

std::vector<Condition> parse_conditions(const std::vector<std::string>& texts) {
  std::vector<Condition> conditions;
  for (const std::string& text : texts) conditions.push_back(parse_condition(text));
  return conditions;
}

Results results_of(const ResultStore& store, const StoredExperiment& experiment,
                   const std::vector<Condition>& conditions) {
  const std::vector<StoredArm> arms = arms_of(store, experiment, conditions);
  Results results{.experiment = experiment.name,
                  .question = experiment.question,
                  .method = method_of(experiment),
                  .axes = experiment.axes,
                  .provenance = {},
                  .warnings = {},
                  .tables = {}};
  add_provenance(results, arms, experiment, store);
  add_warnings(results, arms, experiment);
  results.tables = {arms_table(arms, experiment, store.stopped(experiment.id)), positions_table(arms),
                    layers_table(arms), texts_table(arms, experiment)};
  return results;
}

ArmComparison compare_arms(const ResultStore& store, const StoredExperiment& first_experiment,
                           const std::vector<Condition>& first, const StoredExperiment& second_experiment,
                           const std::vector<Condition>& second) {
  struct Sums {
    double speed[2][2] = {}, tokens[2] = {}, passes[2] = {};  // [arm][guessed, plain]: seconds per token
    int texts[2] = {};
  };
  ArmComparison found;
  std::map<std::string, Sums> by_prompt;
  const auto collect = [&](int side, const StoredExperiment& experiment, const std::vector<Condition>& conditions) {
    std::vector<std::string> labels;
    for (const StoredArm& arm : arms_of(store, experiment, conditions)) {
      labels.push_back(arm.label);
      for (const auto& [source, text] : texts_by_source(arm)) {
        Sums& sums = by_prompt[source + text->prompt];
        sums.speed[side][0] += text->guessed.times.total_s() / std::max(1.0, tokens(*text));
        sums.speed[side][1] += text->plain.times.total_s() / std::max(1.0, plain_tokens(*text));
        sums.tokens[side] += tokens(*text);
        sums.passes[side] += passes(*text);
        ++sums.texts[side];
      }
    }
    return fmt::format("{}", fmt::join(labels, ", "));
  };
  found.first = collect(0, first_experiment, first);
  found.second = collect(1, second_experiment, second);
  std::vector<double> fast, slow, more, less;
  for (const auto& [prompt, sums] : by_prompt) {
    if (sums.texts[0] == 0 || sums.texts[1] == 0) continue;
    fast.push_back(sums.speed[1][1] / sums.speed[1][0]);
    slow.push_back(sums.speed[0][1] / sums.speed[0][0]);
    more.push_back(sums.tokens[1] / sums.passes[1]);
    less.push_back(sums.tokens[0] / sums.passes[0]);
  }
  if (fast.empty()) throw Error("{} and {} were measured on no common prompt", found.first, found.second);
  found.pairs = static_cast<std::int64_t>(fast.size());
  found.speed = ratio_interval(fast, slow);
  found.tokens_per_pass = ratio_interval(more, less);
  if (found.speed.low > 1) {
    found.verdict = "the second is faster";
  } else if (found.speed.high < 1) {
    found.verdict = "the first is faster";
  } else {
    found.verdict = "neither is shown to be faster";
  }
  return found;
}

}  // namespace specdec

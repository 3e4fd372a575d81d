#include "experiments/arm_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include "experiments/speed_up.h"
#include "verify/rule.h"

namespace specdec {
namespace {

using Texts = std::vector<const MeasuredText*>;

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

}  // namespace

std::vector<Table> tables_of(const std::vector<StoredArm>& arms, const StoredExperiment& experiment,
                             const std::vector<StoppedArm>& stopped) {
  return {arms_table(arms, experiment, stopped), positions_table(arms), layers_table(arms),
          texts_table(arms, experiment)};
}

}  // namespace specdec

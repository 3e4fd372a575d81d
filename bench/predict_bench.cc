// How far `specdec predict` is off on published cases (bench/predict/cases.json): with the machines as shipped, whose
// figures some of these cases gave, and with an engine fitted to the cases of other sources alone.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/error.h"
#include "experiments/median.h"
#include "experiments/predict.h"

namespace specdec {
namespace {

const std::string kRoot = SPECDEC_SOURCE_DIR "/";

// Paths of bench/predict are told from the root: "small:bench/predict/head.json".
std::string path_of(const std::string& model) {
  const std::size_t at = model.find("bench/");
  return at == std::string::npos ? model : model.substr(0, at) + kRoot + model.substr(at);
}

struct Speculation {
  PredictOptions options;
  std::optional<double> speed_up;  // measured
  bool pays = false;
  bool has_sign = true;  // no: within 3 % of 1
};

struct Case {
  std::string name, thread, sort;
  bool complete = true;  // no: what is missing was assumed, and signs alone are judged
  PredictOptions options{};
  MeasuredModel model{};
  std::vector<Speculation> speculation{};
};

PredictOptions options_of(const ConfigReader& json) {
  PredictOptions options;
  options.target = path_of(json.text("target", ""));
  options.hardware = json.text("hardware", "");
  options.set = json.texts("set");
  if (json.has("engine")) options.engine = json.text("engine", "");
  options.machines = json.count("machines", 1);
  options.parallel = json.text("parallel", "tensor");
  if (json.has("experts")) options.experts = json.text("experts", "");
  if (json.has("rest")) options.rest = json.text("rest", "");
  options.context = json.count("context");
  options.overlap = json.text("overlap", "published");
  if (json.has("hit_rate")) options.hit_rate = json.number("hit_rate", 1);
  return options;
}

Speculation speculation_of(const Case& one, const ConfigReader& json, const ConfigReader& of_case) {
  Speculation speculation{.options = one.options, .speed_up = {}};
  PredictOptions& options = speculation.options;
  options.guesses = {json.count("k")};
  options.draft = path_of(json.text("draft", "ngram"));
  if (of_case.has("draft_experts")) options.draft_experts = of_case.text("draft_experts", "");
  if (of_case.has("draft_rest")) options.draft_rest = of_case.text("draft_rest", "");
  if (json.has("draft_ms")) {
    const int together = json.boolean("block", false) ? options.guesses[0] : 1;
    options.draft_s = json.number("draft_ms", 0) / 1e3 / together;
  }
  options.acceptance = json.numbers("acceptance");
  if (json.has("tokens_per_pass")) options.tokens_per_pass = json.number("tokens_per_pass", 1);
  if (!one.model.points.empty()) options.plain_s = one.model.points.front().seconds;
  if (json.has("speed_up")) speculation.speed_up = json.number("speed_up", 1);
  constexpr double kNoSign = 0.03;
  speculation.pays = speculation.speed_up ? *speculation.speed_up > 1 : json.boolean("pays", false);
  speculation.has_sign = !speculation.speed_up || std::abs(*speculation.speed_up - 1) > kNoSign;
  return speculation;
}

Case read_case(const ConfigReader& json) {
  Case one{.name = json.text("name", ""), .thread = json.text("thread", ""), .sort = json.text("class", "")};
  one.complete = !json.has("signs_only");
  one.options = options_of(json);
  one.model.scenario = predict(one.options).scenario;
  if (!json.objects("points").empty()) one.model.points = read_points(json);
  for (const ConfigReader& item : json.objects("speculation")) {
    one.speculation.push_back(speculation_of(one, item, json));
  }
  return one;
}

struct Errors {
  std::vector<double> plain, ratio, speed_up;  // relative, without sign
  int signs = 0, right = 0;                    // of complete cases
  int assumed = 0, assumed_right = 0;          // of those where something was assumed
  int told = 0, told_wrong = 0;                // neither "cannot tell"
  int inside = 0;                              // speed-ups of complete cases in the range that is printed
};

std::string percent(double error) { return fmt::format("{:+.0f} %", 100 * error); }

// As a user would ask, on a machine that is told by a file.
Prediction predict_on(const PredictOptions& options, const HardwareProfile& machine) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "specdec-predict-bench.json";
  std::ofstream(file) << json_of(machine);
  PredictOptions on = options;
  on.hardware = file.string();
  on.engine.reset();  // the machine has both
  on.set.clear();
  return predict(on);
}

std::string judge(const Speculation& speculation, bool complete, const HardwareProfile& machine, Errors& errors) {
  const Prediction found = predict_on(speculation.options, machine);
  const double speed_up = found.best.speed_up;
  if (complete && speculation.speed_up) {
    errors.speed_up.push_back(std::abs(speed_up / *speculation.speed_up - 1));
    errors.inside += static_cast<int>(found.low <= *speculation.speed_up && *speculation.speed_up <= found.high);
  }
  if (speculation.has_sign) {
    const bool right = (speed_up > 1) == speculation.pays;
    (complete ? errors.signs : errors.assumed) += 1;
    (complete ? errors.right : errors.assumed_right) += static_cast<int>(right);
    errors.told += static_cast<int>(found.sign != Sign::unclear);
    errors.told_wrong += static_cast<int>(found.sign != Sign::unclear && !right);
  }
  const std::string measured = speculation.speed_up ? fmt::format("{:.2f}", *speculation.speed_up)
                               : speculation.pays   ? "more"
                                                    : "less";
  const std::string_view told = found.sign == Sign::pays ? "+" : found.sign == Sign::does_not ? "-" : "?";
  return fmt::format(" k={} {:.2f}{} ({})", speculation.options.guesses[0], speed_up, told, measured);
}

// Prints one line, and adds to the errors.
void judge(const Case& one, const HardwareProfile& machine, Errors& errors) {
  Scenario scenario = one.model.scenario;
  scenario.machine = machine;
  const std::vector<MeasuredPass>& points = one.model.points;
  const double plain = pass_cost(scenario, 1).total();
  std::string text = fmt::format("  {:<58}", one.name);
  if (!points.empty()) {
    const double measured = points.front().seconds;
    errors.plain.push_back(std::abs(plain / measured - 1));
    text += fmt::format(" w=1 {:>6}", percent(plain / measured - 1));
    if (points.size() > 1) text += "   T(w)/T(1)";
    for (std::size_t i = 1; i < points.size(); ++i) {
      const double off = pass_cost(scenario, points[i].rows).total() / plain / (points[i].seconds / measured) - 1;
      errors.ratio.push_back(std::abs(off));
      text += fmt::format(" {}:{}", points[i].rows, percent(off));
    }
  }
  if (!one.speculation.empty()) text += one.complete ? "   speed-up" : "   sign";
  for (const Speculation& speculation : one.speculation) text += judge(speculation, one.complete, machine, errors);
  fmt::print("{}\n", text);
}

void conclude(const Errors& errors) {
  const auto middle = [](const std::vector<double>& of) { return of.empty() ? 0 : 100 * median(of); };
  fmt::print("  median error: plain {:.0f} %, T(w)/T(1) {:.0f} %, speed-up {:.0f} %; signs {} of {}",
             middle(errors.plain), middle(errors.ratio), middle(errors.speed_up), errors.right, errors.signs);
  if (errors.assumed > 0) fmt::print(", and {} of {} where data were assumed", errors.assumed_right, errors.assumed);
  fmt::print("; told {} times, {} of them wrongly; {} of {} speed-ups in their range\n\n", errors.told,
             errors.told_wrong, errors.inside, errors.speed_up.size());
}

// What is known of a machine of this sort before any case. Whether rows share the reading of an expert is known of how
// an engine's kernels are made.
HardwareProfile vague(const HardwareProfile& machine) {
  HardwareProfile prior = machine;
  const double peak = machine.peak_bytes_per_s.value;
  const auto set = [](Figure& figure, double low, double value, double high) {
    figure = {.value = value, .known = false, .low = low, .high = high, .source = "before any case"};
  };
  set(prior.effective_bytes_per_s, 0.5 * peak, 0.75 * peak, 0.95 * peak);
  set(prior.dispatch_s, 0, 1.5e-4, 3e-4);
  set(prior.row_s, 0, 5e-5, 1e-4);
  set(prior.switch_share, 0, 0.4, 0.8);
  set(prior.switch_rows, 2, 2, 2);
  set(prior.sparse_s, 0, 1e-4, 2e-4);
  set(prior.step_s, 0, 1e-3, 2e-3);
  set(prior.pass_s, 2e-4, 5e-4, 2e-3);
  return prior;
}

// What the case tells an engine: its passes, and the time of its steps, which tokens per pass and speed-up give.
std::vector<MeasuredModel> measured(const Case& one) {
  constexpr double kModel = 0.1;
  std::vector<MeasuredModel> models;
  if (!one.model.points.empty()) models.push_back(one.model);
  for (const Speculation& speculation : one.speculation) {
    if (!one.complete || !speculation.speed_up || one.model.points.empty()) continue;
    const Prediction found = predict(speculation.options);
    const int k = speculation.options.guesses[0];
    const double step_s = found.acceptance->tokens_per_pass(k) * *speculation.options.plain_s / *speculation.speed_up;
    models.push_back(
        {.scenario = found.scenario, .points = {{.rows = k + 1, .seconds = step_s, .woken = 0, .guesses = k}}});
  }
  // Times of one case err together.
  const double times = static_cast<double>(one.model.points.size() + models.size());
  for (MeasuredModel& model : models) model.error = kModel * std::sqrt(times);
  return models;
}

HardwareProfile fitted_to_other_sources(const Case& one, std::span<const Case> cases) {
  std::vector<MeasuredModel> rest;
  for (const Case& other : cases) {
    if (other.sort != one.sort || other.thread == one.thread) continue;
    for (MeasuredModel& model : measured(other)) rest.push_back(std::move(model));
  }
  const HardwareProfile prior = vague(one.model.scenario.machine);
  const HardwareProfile engine = rest.empty() ? prior : calibrate(prior, rest, "other sources").machine;
  HardwareProfile machine = with_engine(one.model.scenario.machine, engine);
  if (machine.pass_s.value > 0) machine.pass_s = prior.pass_s;
  return machine;
}

using MachineOf = std::function<HardwareProfile(const Case&)>;

void judge_all(std::string_view title, const std::vector<std::span<const Case>>& parts, const MachineOf& machine_of) {
  fmt::print("{}\n", title);
  for (const std::span<const Case>& part : parts) {
    Errors errors;
    for (const Case& one : part) judge(one, machine_of(one), errors);
    conclude(errors);
  }
}

void run() {
  const ConfigReader file = ConfigReader::of_file(kRoot + "bench/predict/cases.json");
  std::vector<Case> cases;
  for (const ConfigReader& json : file.objects("cases")) cases.push_back(read_case(json));
  const std::size_t calibration = cases.size();
  for (const ConfigReader& json : file.objects("further")) cases.push_back(read_case(json));
  const std::span<const Case> all = cases;
  const std::vector<std::span<const Case>> parts{all.first(calibration), all.subspan(calibration)};

  fmt::print(
      "relative errors; speed-ups predicted (measured), plain time taken as measured; + pays, - does not, ? cannot "
      "tell: "
      "the sign as printed\n\n");
  judge_all("machines as shipped", parts, [](const Case& one) { return one.model.scenario.machine; });
  std::vector<Case> engines;
  for (const Case& one : cases) {
    if (one.options.engine) engines.push_back(one);
  }
  judge_all("of these, cases of another engine than the machine's own, with the machine's own", {engines},
            [](const Case& one) {
              PredictOptions options = one.options;
              options.engine.reset();
              return predict(options).scenario.machine;
            });
  judge_all("each case with an engine fitted to the cases of other sources", parts,
            [&](const Case& one) { return fitted_to_other_sources(one, all); });
  fmt::print("left out\n");
  const ConfigReader excluded = *file.object("excluded");
  for (const std::string& name : excluded.keys()) fmt::print("  {}: {}\n", name, excluded.text(name, ""));
}

}  // namespace
}  // namespace specdec

int main() {
  try {
    specdec::run();
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

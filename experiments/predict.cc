#include "experiments/predict.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "experiments/known_models.h"
#include "verify/overlap_curve.h"
#include "verify/tally.h"

namespace specdec {
namespace {

constexpr int kMostRows = 16;
// Of the logarithm of a speed-up, with all terms right: as the cases of bench/predict differ, each left out once.
constexpr double kModelSpread = 0.12;

// Of a checkpoint, a config.json or a known model.
struct Counted {
  std::string name, formats;
  Inventory inventory;
  Account account;
};

Counted count_model(const std::string& model, const std::optional<std::string>& experts,
                    const std::optional<std::string>& rest, int context, std::vector<std::string>& notes) {
  const InspectOptions options{.model = model, .experts = experts, .rest = rest, .context = context};
  const Inspection found = inspect_known(options);
  if (!found.inventory || !found.account) {
    throw Error("{}: its tensors are not known{}{}; give its sizes in a file (docs/predict.md)", model,
                found.refusals.empty() ? "" : ": ", found.refusals.empty() ? "" : found.refusals.front());
  }
  for (const std::string& note : found.notes) {
    if (note.find("fit") == note.npos) notes.push_back(fmt::format("{}: {}", model_name(model), note));
  }
  return {model_name(model), found.formats, *found.inventory, *found.account};
}

double positive(const ConfigReader& file, std::string_view key, std::optional<double> fallback = std::nullopt) {
  if (!fallback && !file.has(key)) throw Error("{}: '{}' is missing; expected a number", file.origin(), key);
  const double value = file.number(key, fallback.value_or(0));
  constexpr double kMost = 1e16;
  if (value < 0 || value > kMost) throw Error("{}: '{}' is {}; expected 0 to 1e16", file.origin(), key, value);
  return value;
}

bool is_sizes(const std::string& path) {
  if (!path.ends_with(".json") || !std::filesystem::is_regular_file(path)) return false;
  return ConfigReader::of_file(path).has("fixed_bytes");
}

// A decoder layer as wide as the target's, which reads states of three layers, and a head over 32000 tokens: what
// EAGLE-3 heads of large targets are like. bf16.
Traffic eagle_traffic(int hidden) {
  constexpr double kHead = 32000, kKeys = 1024, kBytes = 2, kWidth = 3;
  const double h = hidden;
  Traffic traffic{.layers = 1, .hidden = hidden};
  traffic.fixed_parameters = 3 * h * h + 3 * h * h + 2 * 2 * h * kKeys + 3 * kWidth * h * h + kHead * h;
  traffic.fixed_bytes = traffic.total_bytes = kBytes * traffic.fixed_parameters;
  return traffic;
}

Traffic small_traffic(const PredictOptions& options, const std::string& model, std::vector<std::string>& notes) {
  if (is_sizes(model)) return traffic_of_sizes(ConfigReader::of_file(model));
  const Counted counted = count_model(model, options.draft_experts, options.draft_rest, options.context, notes);
  return traffic_of(counted.inventory, counted.account, options.context);
}

Drafting drafting_of(const PredictOptions& options, const Traffic& target, const Counted* counted,
                     std::vector<std::string>& notes) {
  const std::size_t colon = options.draft.find(':');
  const std::string kind = options.draft.substr(0, colon);
  const std::string model = colon == std::string::npos ? "" : options.draft.substr(colon + 1);
  Drafting drafting{.name = options.draft, .guess_s = options.draft_s};
  const auto needs = [&](bool wants) {
    if (wants != model.empty()) return;
    throw UsageError("--draft {}: expected {}", options.draft, wants ? kind + ":CONFIG" : kind + " alone");
  };
  if (kind == "none") {
    needs(false);
  } else if (kind == "ngram") {
    needs(false);
    drafting.kind = Drafting::Kind::free;
  } else if (kind == "mtp") {
    needs(false);
    drafting.kind = Drafting::Kind::model;
    drafting.split = true;
    if (counted == nullptr) {
      if (!options.draft_s) throw UsageError("--draft mtp: {} tells no tensors; give --draft-ms too", options.target);
    } else if (options.draft_experts || options.draft_rest) {
      const std::string rest = options.draft_rest.value_or("bf16");
      const StorageRule rule =
          uniform_storage(parse_storage(options.draft_experts.value_or(rest)), parse_storage(rest));
      drafting.traffic = mtp_traffic_of(counted->inventory, account_of(counted->inventory, rule));
    } else {
      drafting.traffic = mtp_traffic_of(counted->inventory, counted->account);
    }
  } else if (kind == "small" || kind == "block" || (kind == "eagle" && !model.empty())) {
    needs(true);
    drafting.kind = kind == "block" ? Drafting::Kind::block : Drafting::Kind::model;
    drafting.traffic = small_traffic(options, model, notes);
  } else if (kind == "eagle") {
    drafting.kind = Drafting::Kind::model;
    drafting.traffic = eagle_traffic(target.hidden);
    notes.emplace_back(
        "eagle: priced as one dense layer of the target's width that reads three states, with a head over "
        "32000 tokens, in bf16; eagle:CONFIG prices another");
  } else {
    throw UsageError("--draft {}: expected none, ngram, mtp, eagle, eagle:CONFIG, small:CONFIG or block:CONFIG",
                     options.draft);
  }
  return drafting;
}

void set_figures(const PredictOptions& options, HardwareProfile& machine) {
  for (const std::string& setting : options.set) {
    const std::size_t equals = setting.find('=');
    const std::string name = setting.substr(0, equals);
    std::vector<std::string_view> names;
    bool found = false;
    for (const auto& field : hardware_fields()) {
      names.push_back(field.name);
      if (field.name != name || equals == std::string::npos) continue;
      const std::string text = setting.substr(equals + 1);
      char* end = nullptr;
      const double value = std::strtod(text.c_str(), &end);
      if (text.empty() || *end != '\0' || !std::isfinite(value) || value < 0 || value > 1e18) {
        throw UsageError("--set {}: '{}' is no number from 0 to 1e18, in {}", setting, text, field.unit);
      }
      if (value < 1 && (field.name.ends_with("_per_s") || field.name == "tile_rows")) {
        throw UsageError("--set {}: expected more than 0 {}, at least 1", setting, field.unit);
      }
      machine.*field.figure = {.value = value, .known = true, .low = value, .high = value, .source = "--set"};
      found = true;
    }
    if (!found) throw UsageError("--set {}: expected NAME=NUMBER; names are: {}", setting, fmt::join(names, ", "));
  }
}

void check_numbers(const PredictOptions& options) {
  const auto check = [](std::string_view option, double value, double least, double most) {
    if (value >= least && value <= most) return;
    throw UsageError("{} {}: expected {} to {}", option, value, least, most);
  };
  for (const double chance : options.acceptance) check("--acceptance", chance, 0, 1);
  for (const double share : options.prefixes) check("--accept-prefix", share, 0, 1);
  if (!std::ranges::is_sorted(options.prefixes, std::greater{})) {
    throw UsageError("--accept-prefix: shares of steps that accept at least 1, 2, … guesses cannot grow");
  }
  const int given = static_cast<int>(!options.acceptance.empty()) + static_cast<int>(!options.prefixes.empty()) +
                    static_cast<int>(options.tokens_per_pass.has_value());
  if (given > 1) throw UsageError("acceptance is given in several ways; expected one of them");
  if (options.guesses.empty()) throw UsageError("--k: expected numbers of guesses such as 1..8");
  constexpr int kMost = 64;
  for (const int k : options.guesses) check("--k", k, 1, kMost);
  constexpr int kMostMachines = 1024, kMostContext = 1 << 24;
  check("--machines", options.machines, 1, kMostMachines);
  check("--context", options.context, 1, kMostContext);
  if (options.hit_rate) check("--hit-rate", *options.hit_rate, 0, 1);
  constexpr double kLeast = 1e-6, kLongest = 1e4;
  if (options.plain_s) check("the time of a plain token, s:", *options.plain_s, kLeast, kLongest);
  if (options.draft_s) check("the time of a guess, s:", *options.draft_s, 0, kLongest);
}

std::optional<Acceptance> acceptance_of(const PredictOptions& options) {
  if (!options.acceptance.empty()) return Acceptance{options.acceptance};
  if (!options.prefixes.empty()) return acceptance_of_prefixes(options.prefixes);
  if (!options.tokens_per_pass) return std::nullopt;
  const int longest = std::ranges::max(options.guesses);
  const std::optional<double> even = even_acceptance(*options.tokens_per_pass, longest);
  if (!even || *options.tokens_per_pass < 1) {
    throw UsageError("--tokens-per-pass {}: with {} guesses a pass gives 1 to {}", *options.tokens_per_pass, longest,
                     longest + 1);
  }
  return Acceptance{{*even}};
}

Overlap overlap_of(const PredictOptions& options, const Traffic& target) {
  Overlap overlap;
  if (!options.unions.empty()) {
    overlap.kind = Overlap::Kind::measured;
    overlap.measured = options.unions;
    for (const double experts : options.unions) {
      if (experts >= target.experts_per_token && experts <= target.experts) continue;
      throw UsageError("--unions: {} experts; expected {} to {}, for 1, 2, … rows", experts, target.experts_per_token,
                       target.experts);
    }
  } else if (options.overlap == "uniform") {
    overlap.kind = Overlap::Kind::uniform;
  } else if (options.overlap != "published") {
    overlap.kind = Overlap::Kind::measured;
    overlap.measured = find_overlap(options.overlap, "--overlap", {"published", "uniform", "--unions with numbers"})
                           .mapped(target.experts, target.experts_per_token);
  }
  return overlap;
}

// What everything is judged by: the speed-up, or without acceptance the tokens per pass that break even.
double result_of(const Scenario& scenario, const std::optional<Acceptance>& acceptance, int guesses) {
  if (acceptance) return speed_up(scenario, *acceptance, guesses);
  return step_seconds(scenario, guesses) / plain_seconds(scenario);
}

void find_sensitivities(Prediction& found) {
  const Acceptance given = found.acceptance.value_or(Acceptance{});
  const int k = found.best.guesses;
  const double result = result_of(found.scenario, found.acceptance, k);
  double squares = kModelSpread * kModelSpread;
  for (Assumption& assumption : assumptions_of(found.scenario, found.acceptance ? &given : nullptr)) {
    const auto with = [&](double value) {
      Scenario scenario = found.scenario;
      Acceptance acceptance = given;
      assumption.set(scenario, acceptance, value);
      return result_of(scenario, found.acceptance ? std::optional(acceptance) : std::nullopt, k);
    };
    Sensitivity one;
    one.at_low = with(assumption.low);
    one.at_high = with(assumption.high);
    const auto [least, most] = std::minmax({one.at_low, one.at_high, result});
    one.flips = found.acceptance && (least < 1) != (most < 1);
    const double half = std::log(most / least) / 2;
    squares += half * half;
    one.assumption = std::move(assumption);
    found.sensitivities.push_back(std::move(one));
  }
  const auto reach = [](const Sensitivity& one) { return std::abs(std::log(one.at_high / one.at_low)); };
  std::ranges::sort(found.sensitivities, std::greater{}, reach);
  found.spread = std::sqrt(squares);
  found.low = result * std::exp(-found.spread);
  found.high = result * std::exp(found.spread);
  if (!found.acceptance) return;
  found.chance = std::erfc(-std::log(result) / found.spread / std::sqrt(2.0)) / 2;
  found.sign = found.low > 1 ? Sign::pays : found.high < 1 ? Sign::does_not : Sign::unclear;
}

void find_guesses(Prediction& found) {
  const Scenario& scenario = found.scenario;
  for (const int k : found.options.guesses) {
    GuessCost cost;
    cost.guesses = k;
    cost.draft_s = draft_seconds(scenario, k);
    cost.step_s = step_seconds(scenario, k);
    cost.break_even = cost.step_s / plain_seconds(scenario);
    cost.break_even_alpha = even_acceptance(cost.break_even, k);
    if (found.acceptance) {
      cost.tokens = found.acceptance->tokens_per_pass(k);
      cost.speed_up = speed_up(scenario, *found.acceptance, k);
    }
    found.guesses.push_back(cost);
  }
  const auto worth = [&](const GuessCost& cost) {
    return found.acceptance ? cost.speed_up : -cost.break_even_alpha.value_or(cost.break_even);
  };
  found.best = *std::ranges::max_element(found.guesses, {}, worth);
}

void place(Prediction& found) {
  Scenario& scenario = found.scenario;
  found.memory = memory_fit(scenario);
  if (found.options.hit_rate) {
    scenario.hit_rate = found.options.hit_rate;
  } else if (!found.memory.all && found.memory.without) {
    scenario.hit_rate = found.memory.resident;
    found.notes.push_back(fmt::format(
        "experts do not all fit: priced as read from disk, {:.0f} % of them found in memory (--hit-rate says better)",
        100 * found.memory.resident));
  } else if (!found.memory.all) {
    found.notes.push_back(fmt::format("does not fit {} x {:.1f} GB: the times are of a machine with more memory",
                                      scenario.machines, scenario.machine.usable_memory_bytes.value / 1e9));
  }
  if (scenario.hit_rate && scenario.target.experts == 0) {
    throw UsageError("--hit-rate: {} has no routed experts that could be read from disk", found.options.target);
  }
}

}  // namespace

std::string_view name_of(Sign sign) {
  constexpr std::array<std::string_view, 4> kNames{"pays", "does not pay", "cannot tell", "acceptance not given"};
  return kNames[static_cast<std::size_t>(sign)];
}

Traffic traffic_of_sizes(const ConfigReader& file) {
  Traffic traffic{.layers = file.count("layers"), .hidden = file.count("hidden_size")};
  traffic.fixed_bytes = positive(file, "fixed_bytes");
  traffic.total_bytes = traffic.fixed_bytes;
  traffic.fixed_parameters = positive(file, "fixed_parameters", traffic.fixed_bytes / 2);
  traffic.cache_bytes = positive(file, "cache_bytes", 0.0);
  traffic.sparse_layers = file.count("sparse_layers", 0);
  if (!file.has("experts")) return traffic;
  traffic.experts = file.count("experts");
  traffic.experts_per_token = file.count("experts_per_token");
  traffic.routed_layers = file.count("routed_layers", traffic.layers);
  traffic.expert_bytes = positive(file, "expert_bytes") * traffic.routed_layers;
  traffic.expert_parameters =
      positive(file, "expert_parameters", traffic.expert_bytes / traffic.routed_layers) * traffic.routed_layers;
  traffic.total_bytes += traffic.expert_bytes * traffic.experts;
  if (traffic.experts_per_token > traffic.experts) {
    throw Error("{}: 'experts_per_token' is {}; expected at most {} experts", file.origin(), traffic.experts_per_token,
                traffic.experts);
  }
  return traffic;
}

Prediction predict(const PredictOptions& options) {
  check_numbers(options);
  Prediction found;
  found.options = options;
  Scenario& scenario = found.scenario;
  std::optional<Counted> counted;
  if (is_sizes(options.target)) {
    scenario.target = traffic_of_sizes(ConfigReader::of_file(options.target));
    found.target = model_name(options.target);
    found.formats = "sizes given in bytes";
  } else {
    counted = count_model(options.target, options.experts, options.rest, options.context, found.notes);
    scenario.target = traffic_of(counted->inventory, counted->account, options.context);
    found.target = counted->name;
    found.formats = counted->formats;
  }
  scenario.machine = find_hardware(options.hardware);
  if (options.engine) scenario.machine = run_by(find_engine(*options.engine), scenario.machine);
  set_figures(options, scenario.machine);
  scenario.machines = options.machines;
  scenario.parallel = parse_parallel(options.parallel);
  scenario.link = options.link ? find_link(*options.link)
                               : LinkProfile{.name = scenario.machine.name,
                                             .title = "the machine's own link",
                                             .bytes_per_s = scenario.machine.link_bytes_per_s,
                                             .latency_s = scenario.machine.link_latency_s};
  scenario.overlap = overlap_of(options, scenario.target);
  scenario.drafting = drafting_of(options, scenario.target, counted ? &*counted : nullptr, found.notes);
  scenario.plain_s = options.plain_s;
  place(found);
  if (scenario.hit_rate) scenario.unexplained_grows = 1;  // of all terms the disk is known least, and rows add loads
  if (options.calibrate) {
    const std::vector<MeasuredPass> points = read_points(ConfigReader::of_file(*options.calibrate));
    found.calibration = calibrate(scenario, points, fmt::format("fitted to {}", *options.calibrate));
    scenario.machine = found.calibration->machine;
  }
  found.acceptance = acceptance_of(options);

  for (int rows = 1; rows <= kMostRows; ++rows) found.passes.push_back(pass_cost(scenario, rows));
  if (plain_seconds(scenario) <= 0) {
    throw Error("{}: a plain token takes no time on {}; expected bytes that it reads, or pass_s or dispatch_s",
                found.target, scenario.machine.name);
  }
  const int divided = scenario.parallel == Parallel::pipeline ? 1 : scenario.machines;
  found.peak_s = found.passes.front().bytes / scenario.machine.peak_bytes_per_s.value / divided;
  find_guesses(found);
  find_sensitivities(found);
  for (const int step : {256, 512, 2048, 8192}) found.prefill.push_back(prefill_cost(scenario, step));
  return found;
}

}  // namespace specdec

#include "verify/cost.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/traffic.h"
#include "verify/tally.h"

namespace specdec {
namespace {

// Of `woken` experts that lie anywhere on the machines, those of the machine that has most: mean of the maximum of so
// many about normal counts.
double busiest_share(double woken, int machines) {
  if (machines == 1 || woken <= 0) return 1;
  const double even = woken / machines;
  const double spread = std::sqrt(even * (1 - 1.0 / machines));
  return std::min(1.0, (even + spread * std::sqrt(2 * std::log(machines))) / woken);
}

double link_seconds(const Scenario& scenario, const Traffic& traffic, int rows) {
  constexpr double kValueBytes = 2;
  const double message = rows * kValueBytes * traffic.hidden;
  const double one = scenario.link.latency_s.value + message / scenario.link.bytes_per_s.value;
  // All-reduce by recursive doubling (Thakur, Rabenseifner, Gropp 2005): a message for each doubling.
  const double doublings = std::max(1.0, std::log2(scenario.machines));
  switch (scenario.parallel) {
    case Parallel::tensor:
      return 2 * traffic.layers * (one + (doublings - 1) * scenario.link.latency_s.value);
    case Parallel::expert:
      return 2 * traffic.routed_layers * one;
    case Parallel::pipeline:
      return scenario.machines * one;
  }
  return 0;
}

PassPrice cost_of(const Scenario& scenario, const Traffic& traffic, int rows, int machines) {
  SPECDEC_ASSERT(rows >= 1);
  const HardwareProfile& machine = scenario.machine;
  const double per_byte = 1 / machine.effective_bytes_per_s.value;
  const double share = scenario.parallel == Parallel::tensor ? 1.0 / machines : 1;
  const double slots = static_cast<double>(traffic.experts_per_token) * rows;
  const double woken = union_of(scenario.overlap, traffic.experts, traffic.experts_per_token, rows);
  const double expert_share = scenario.parallel == Parallel::expert ? busiest_share(woken, machines) : share;
  const double expert_s = expert_share * traffic.expert_bytes * per_byte;  // one in every layer
  const double fixed_s = share * traffic.fixed_bytes * per_byte;

  PassPrice cost{.rows = rows, .woken = woken, .bytes = traffic.fixed_bytes + woken * traffic.expert_bytes};
  const auto set = [&](Term term, double seconds) { cost.seconds[static_cast<std::size_t>(term)] = seconds; };
  set(Term::fixed, fixed_s);
  set(Term::experts, woken * expert_s);
  set(Term::repeats, machine.repeat_share.value * (slots - woken) * expert_s);
  set(Term::cache, share * traffic.cache_bytes * per_byte);
  const double row_s = fixed_s + traffic.experts_per_token * expert_s;
  set(Term::kernels, (switches(machine, rows) ? machine.switch_share.value * row_s : 0) +
                         (rows > 1 ? machine.sparse_s.value * traffic.sparse_layers : 0));
  set(Term::rows, (rows - 1) * traffic.layers * machine.row_s.value);
  set(Term::dispatch, traffic.layers * machine.dispatch_s.value);
  set(Term::host, machine.pass_s.value);
  set(Term::links, machines == 1 ? 0 : link_seconds(scenario, traffic, rows));
  return cost;
}

}  // namespace

Traffic traffic_of(const Inventory& inventory, const Account& account, int context) {
  const auto& expert = account.weights.expert;
  Traffic traffic{.layers = inventory.layers,
                  .hidden = inventory.hidden,
                  .routed_layers = account.routed_layers,
                  .experts = inventory.experts,
                  .experts_per_token = inventory.experts_per_token,
                  .sparse_layers = inventory.cache.index_keys > 0 ? inventory.layers : 0};
  traffic.fixed_bytes = static_cast<double>(account.weights.fixed);
  traffic.expert_bytes = static_cast<double>(std::accumulate(expert.begin(), expert.end(), std::int64_t{0}));
  traffic.total_bytes = static_cast<double>(account.weights.total);
  traffic.cache_bytes = static_cast<double>(inventory.cache.bytes_at(context));
  traffic.expert_parameters = static_cast<double>(account.parameters_per_expert) * account.routed_layers;
  traffic.fixed_parameters =
      static_cast<double>(account.active_parameters) - inventory.experts_per_token * traffic.expert_parameters;
  return traffic;
}

Traffic mtp_traffic_of(const Inventory& inventory, const Account& account) {
  const GroupCount all = sum_of(account.mtp);
  if (all.tensors == 0) throw Error("{}: names no MTP layer; expected one to guess with", inventory.origin);
  const auto& expert = account.mtp_weights.expert;
  Traffic traffic{.layers = 1, .hidden = inventory.hidden};
  traffic.fixed_bytes = static_cast<double>(account.mtp_weights.fixed);
  traffic.expert_bytes = static_cast<double>(std::accumulate(expert.begin(), expert.end(), std::int64_t{0}));
  if (traffic.expert_bytes > 0) {
    traffic.routed_layers = 1;
    traffic.experts = inventory.experts;
    traffic.experts_per_token = inventory.experts_per_token;
  }
  traffic.total_bytes = static_cast<double>(all.bytes);
  return traffic;
}

double published_share(int rows) {
  constexpr std::array<double, 5> kAtPowersOfTwo{1, 0.88, 0.69, 0.655, 0.61};
  const double at = std::min(std::log2(std::max(rows, 1)), static_cast<double>(kAtPowersOfTwo.size() - 1));
  const auto below = std::min(static_cast<std::size_t>(at), kAtPowersOfTwo.size() - 2);
  return std::lerp(kAtPowersOfTwo[below], kAtPowersOfTwo[below + 1], at - static_cast<double>(below));
}

double union_of(const Overlap& overlap, int experts, int experts_per_token, int rows) {
  if (experts == 0 || rows == 0) return 0;
  const auto known = static_cast<int>(overlap.measured.size());
  double woken = uniform_union(experts, experts_per_token, rows);
  if (overlap.kind == Overlap::Kind::published) woken *= std::pow(published_share(rows), overlap.strength);
  if (overlap.kind == Overlap::Kind::measured && known > 0) {
    woken = rows <= known ? overlap.measured[static_cast<std::size_t>(rows - 1)]
                          : woken * overlap.measured.back() / uniform_union(experts, experts_per_token, known);
  }
  const double most = std::min<double>(experts, static_cast<double>(experts_per_token) * rows);
  return std::clamp<double>(woken, experts_per_token, most);
}

std::string_view name_of(Parallel parallel) {
  constexpr std::array<std::string_view, 3> kNames{"tensor", "expert", "pipeline"};
  return kNames[static_cast<std::size_t>(parallel)];
}

Parallel parse_parallel(std::string_view name) {
  for (const Parallel parallel : {Parallel::tensor, Parallel::expert, Parallel::pipeline}) {
    if (name_of(parallel) == name) return parallel;
  }
  throw UsageError("--parallel {}: expected tensor, expert or pipeline", name);
}

std::string_view name_of(Term term) {
  constexpr std::array<std::string_view, kTerms> kNames{"fixed weights", "experts",  "repeats", "cache", "kernels",
                                                        "rows",          "dispatch", "host",    "links", "storage"};
  return kNames[static_cast<std::size_t>(term)];
}

std::string_view meaning_of(Term term) {
  constexpr std::array<std::string_view, kTerms> kMeanings{
      "attention, dense, shared experts, head: read once, however many rows",
      "routed experts, each that the rows woke once",
      "experts again, for each further row that chose them",
      "keys and values, or latents, at the context",
      "other kernels for more than one row",
      "attention, states and elementwise work of the further rows",
      "starting the kernels of each layer",
      "the host: once for a pass",
      "messages between machines",
      "experts from disk"};
  return kMeanings[static_cast<std::size_t>(term)];
}

double PassPrice::total() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

bool switches(const HardwareProfile& machine, int rows) { return rows > 1 && rows >= machine.switch_rows.value; }

PassPrice pass_cost(const Scenario& scenario, int rows) {
  PassPrice cost = cost_of(scenario, scenario.target, rows, scenario.machines);
  if (scenario.hit_rate) {
    // Experts that several rows share would have been found in memory by the later ones: sharing saves no load.
    const double slots = static_cast<double>(scenario.target.experts_per_token) * rows;
    const double loaded = std::min((1 - *scenario.hit_rate) * slots, cost.woken) * scenario.target.expert_bytes;
    cost.seconds[static_cast<std::size_t>(Term::storage)] =
        loaded / scenario.machine.disk_bytes_per_s.value /
        (scenario.parallel == Parallel::pipeline ? 1 : scenario.machines);
  }
  return cost;
}

PassPrice draft_pass_cost(const Scenario& scenario, int rows) {
  return cost_of(scenario, scenario.drafting.traffic, rows, scenario.drafting.split ? scenario.machines : 1);
}

double plain_seconds(const Scenario& scenario) {
  return scenario.plain_s ? *scenario.plain_s : pass_cost(scenario, 1).total();
}

double draft_seconds(const Scenario& scenario, int guesses) {
  const Drafting& drafting = scenario.drafting;
  if (drafting.kind == Drafting::Kind::none || guesses == 0) return 0;
  const bool block = drafting.kind == Drafting::Kind::block;
  const int passes = block ? 1 : guesses;
  if (drafting.guess_s) return drafting.factor * passes * *drafting.guess_s;
  constexpr double kLookingUp = 50e-6;  // n-grams of the text so far
  if (drafting.kind == Drafting::Kind::free) return drafting.factor * kLookingUp;
  return drafting.factor * passes * draft_pass_cost(scenario, block ? guesses : 1).total();
}

double guessing_seconds(const Scenario& scenario, int guesses) {
  if (scenario.drafting.kind == Drafting::Kind::none || guesses == 0) return 0;
  return draft_seconds(scenario, guesses) + scenario.machine.step_s.value;
}

double step_seconds(const Scenario& scenario, int guesses) {
  const double priced = pass_cost(scenario, guesses + 1).total();
  const double besides = guessing_seconds(scenario, guesses);
  if (!scenario.plain_s) return priced + besides;
  const double plain = pass_cost(scenario, 1).total();
  const double unexplained = *scenario.plain_s - plain;
  const double grows = unexplained < 0 ? 1 : scenario.unexplained_grows;
  return priced + unexplained * (1 + grows * (priced / plain - 1)) + besides;
}

double Acceptance::tokens_per_pass(int guesses) const {
  double tokens = 1, all = 1;
  for (int i = 0; i < guesses && !conditional.empty(); ++i) {
    all *= conditional[std::min(static_cast<std::size_t>(i), conditional.size() - 1)];
    tokens += all;
  }
  return tokens;
}

Acceptance acceptance_of_prefixes(std::span<const double> prefixes) {
  Acceptance acceptance;
  double before = 1;
  for (const double prefix : prefixes) {
    acceptance.conditional.push_back(before > 0 ? std::min(1.0, prefix / before) : 0);
    before = prefix;
  }
  return acceptance;
}

std::optional<double> even_acceptance(double tokens_per_pass, int guesses) {
  if (tokens_per_pass > guesses + 1) return std::nullopt;
  double below = 0, above = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (below + above) / 2;
    (expected_tokens_per_pass(middle, guesses) < tokens_per_pass ? below : above) = middle;
  }
  return below;
}

double speed_up(const Scenario& scenario, const Acceptance& acceptance, int guesses) {
  return acceptance.tokens_per_pass(guesses) * plain_seconds(scenario) / step_seconds(scenario, guesses);
}

PrefillPrice prefill_cost(const Scenario& scenario, int step) {
  const Traffic& traffic = scenario.target;
  const HardwareProfile& machine = scenario.machine;
  // Rows of a prompt are many: how alike neighbours are no longer matters.
  const double woken = uniform_union(traffic.experts, traffic.experts_per_token, step);
  const double tile = machine.tile_rows.value;
  const double rows = woken > 0 ? step * traffic.experts_per_token / woken : 0;  // of an expert
  const double routed = woken * traffic.expert_parameters * tile * std::ceil(rows / tile);
  const int machines = scenario.parallel == Parallel::pipeline ? 1 : scenario.machines;
  PrefillPrice cost{.step = step};
  cost.compute_s = 2 * (traffic.fixed_parameters * step + routed) / machine.flops_per_s.value / machines;
  cost.memory_s = (traffic.fixed_bytes + woken * traffic.expert_bytes) / machine.effective_bytes_per_s.value / machines;
  cost.total_s = std::max(cost.compute_s, cost.memory_s) + traffic.layers * machine.dispatch_s.value +
                 machine.pass_s.value + (scenario.machines == 1 ? 0 : link_seconds(scenario, traffic, step));
  return cost;
}

MemoryFit memory_fit(const Scenario& scenario) {
  const Traffic& target = scenario.target;
  MemoryFit fit{.weights = target.total_bytes,
                .drafter = scenario.drafting.traffic.total_bytes,
                .cache = target.cache_bytes + scenario.drafting.traffic.cache_bytes,
                .usable = scenario.machine.usable_memory_bytes.value * scenario.machines};
  const double experts = target.expert_bytes * target.experts;
  const double always = fit.weights + fit.drafter + fit.cache - experts;
  fit.all = always + experts <= fit.usable;
  fit.without = experts > 0 && always + experts / std::max(target.routed_layers, 1) <= fit.usable;
  if (experts > 0) fit.resident = std::clamp((fit.usable - always) / experts, 0.0, 1.0);
  return fit;
}

std::vector<Assumption> assumptions_of(const Scenario& scenario, const Acceptance* acceptance) {
  std::vector<Assumption> all;
  const auto add = [&](std::string_view field) {
    for (const auto& known : hardware_fields()) {
      if (known.name != field) continue;
      const Figure& figure = scenario.machine.*known.figure;
      if (figure.low == figure.high) continue;
      all.push_back(
          {std::string(field), std::string(known.unit), figure.source, figure.low, figure.value, figure.high,
           [member = known.figure](Scenario& of, Acceptance&, double value) { (of.machine.*member).value = value; }});
    }
  };
  for (const std::string_view field :
       {"effective_bytes_per_s", "dispatch_s", "row_s", "repeat_share", "switch_share", "switch_rows", "pass_s"}) {
    add(field);
  }
  if (scenario.target.sparse_layers > 0) add("sparse_s");
  if (scenario.drafting.kind != Drafting::Kind::none) add("step_s");
  if (scenario.target.experts > 0 && scenario.overlap.kind == Overlap::Kind::published) {
    all.push_back({"overlap", "exponent of the published curve", "published unions, 0 = uniform and independent", 0, 1,
                   1.5, [](Scenario& of, Acceptance&, double value) { of.overlap.strength = value; }});
  }
  if (scenario.machines > 1) {
    const Figure& latency = scenario.link.latency_s;
    all.push_back({"link_latency_s", "s", latency.source, latency.low, latency.value, latency.high,
                   [](Scenario& of, Acceptance&, double value) { of.link.latency_s.value = value; }});
  }
  if (scenario.hit_rate) {
    add("disk_bytes_per_s");
    const double hit = *scenario.hit_rate;
    all.push_back({"hit_rate", "share of experts wanted", "given, or the share of experts that memory holds",
                   std::max(0.0, hit - 0.1), hit, std::min(1.0, hit + 0.1),
                   [](Scenario& of, Acceptance&, double value) { of.hit_rate = value; }});
  }
  if (scenario.plain_s && *scenario.plain_s > pass_cost(scenario, 1).total()) {
    all.push_back({"unexplained_grows", "share", "what the terms do not explain of the plain rate that was given", 0,
                   scenario.unexplained_grows, 1,
                   [](Scenario& of, Acceptance&, double value) { of.unexplained_grows = value; }});
  }
  if (scenario.drafting.kind != Drafting::Kind::none) {
    const bool measured = scenario.drafting.guess_s.has_value();
    constexpr double kPriced = 1.5, kMeasured = 1.1;
    const double spread = measured ? kMeasured : kPriced;
    all.push_back({"drafter", "times its price", measured ? "measured" : "priced as the target is", 1 / spread, 1,
                   spread, [](Scenario& of, Acceptance&, double value) { of.drafting.factor = value; }});
  }
  if (acceptance != nullptr && !acceptance->conditional.empty()) {
    constexpr double kSpread = 0.05;  // of texts of one kind
    all.push_back({"acceptance", "added to each chance", "given; it differs by text", -kSpread, 0, kSpread,
                   [](Scenario&, Acceptance& of, double value) {
                     for (double& chance : of.conditional) chance = std::clamp(chance + value, 0.0, 1.0);
                   }});
  }
  return all;
}

}  // namespace specdec

// What a pass of so many rows takes on a machine, in seconds, by what takes it. Pure functions of what a model reads,
// of a machine and of how rows share experts: nothing is run.
//   const Scenario scenario{.target = traffic_of(inventory, account, 8192), .machine = find_hardware("m3-ultra")};
//   const double break_even = step_seconds(scenario, 3) / plain_seconds(scenario);   // tokens per pass
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/inventory.h"
#include "verify/hardware.h"

namespace specdec {

// What passes of a model read, from the account of its bytes.
struct Traffic {
  int layers = 0, hidden = 0, routed_layers = 0, experts = 0, experts_per_token = 0;
  int sparse_layers = 0;        // whose attention chooses positions by an index
  double fixed_bytes = 0;       // of every pass, the head among them
  double expert_bytes = 0;      // one routed expert of every layer together
  double total_bytes = 0;       // all weights
  double cache_bytes = 0;       // that a sequence keeps at the context, all of it read by a pass
  double fixed_parameters = 0;  // that a token is multiplied with
  double expert_parameters = 0;
};
Traffic traffic_of(const Inventory& inventory, const Account& account, int context);
// Of the first MTP layer, with the head that it reads. Throws Error if there is none.
Traffic mtp_traffic_of(const Inventory& inventory, const Account& account);

// How many experts of a layer rows of one text wake together.
struct Overlap {
  enum class Kind { uniform, published, measured };
  Kind kind = Kind::published;
  double strength = 1;             // of the published curve: its exponent; 0 = uniform
  std::vector<double> measured{};  // [w - 1]: experts that w rows wake; beyond it the last share of uniform_union
};
// Between experts_per_token and what the rows can wake at most.
double union_of(const Overlap& overlap, int experts, int experts_per_token, int rows);
// Measured unions over uniform_union, in means of the published ones (reference/evidence.md, section 3): 0.88 at 2
// rows, 0.69 at 4, 0.65 at 8, 0.61 at 16, between them linear in log(rows).
double published_share(int rows);

enum class Parallel { tensor, expert, pipeline };
std::string_view name_of(Parallel parallel);
Parallel parse_parallel(std::string_view name);

struct Drafting {
  enum class Kind { none, free, model, block };
  Kind kind = Kind::none;  // block: one pass makes all guesses
  std::string name = "none";
  Traffic traffic{};
  bool split = false;               // over the machines, as the target is
  std::optional<double> guess_s{};  // measured, of one guess (of a block: of all)
  double factor = 1;                // on what is priced
};

struct Scenario {
  Traffic target{};
  HardwareProfile machine{};
  LinkProfile link{};
  int machines = 1;
  Parallel parallel = Parallel::tensor;
  Overlap overlap{};
  std::optional<double> hit_rate{};  // of experts wanted; if not all are in memory
  Drafting drafting{};
  // Measured time of a plain token. What the terms do not explain of it grows with a pass as they do (1) or not at all
  // (0); nobody knows which.
  std::optional<double> plain_s{};
  double unexplained_grows = 0.5;
};

enum class Term { fixed, experts, repeats, cache, kernels, rows, dispatch, host, links, storage };
inline constexpr std::size_t kTerms = 10;
std::string_view name_of(Term term);
std::string_view meaning_of(Term term);

struct PassPrice {
  int rows = 0;
  double woken = 0;  // distinct experts of a layer
  double bytes = 0;  // of weights that are read
  std::array<double, kTerms> seconds{};

  double of(Term term) const { return seconds[static_cast<std::size_t>(term)]; }
  double total() const;
};
// Whether so many rows take other kernels than few do.
bool switches(const HardwareProfile& machine, int rows);
// Of the target, and of the drafter's model. By the terms alone, whatever was measured.
PassPrice pass_cost(const Scenario& scenario, int rows);
PassPrice draft_pass_cost(const Scenario& scenario, int rows);

// A plain token; making k guesses; what a step takes besides its pass: guesses, and once step_s; a step that makes them
// and looks at them in one pass.
double plain_seconds(const Scenario& scenario);
double draft_seconds(const Scenario& scenario, int guesses);
double guessing_seconds(const Scenario& scenario, int guesses);
double step_seconds(const Scenario& scenario, int guesses);

// Chances that a guess is accepted when all before it were; the last one holds for all further ones.
struct Acceptance {
  std::vector<double> conditional;

  double tokens_per_pass(int guesses) const;
};
// Of shares of steps that accept at least 1, 2, … guesses.
Acceptance acceptance_of_prefixes(std::span<const double> prefixes);
// The even chance that gives so many tokens per pass; nothing if no chance does.
std::optional<double> even_acceptance(double tokens_per_pass, int guesses);

double speed_up(const Scenario& scenario, const Acceptance& acceptance, int guesses);

struct PrefillPrice {
  int step = 0;  // rows of a pass
  double compute_s = 0, memory_s = 0, total_s = 0;
  double tokens_per_s() const { return step / total_s; }
};
PrefillPrice prefill_cost(const Scenario& scenario, int step);

struct MemoryFit {
  double weights = 0, drafter = 0, cache = 0;  // bytes, of all machines together
  double usable = 0;
  bool all = false;      // everything is in memory
  bool without = false;  // all but routed experts is, and one layer of these
  double resident = 1;   // share of the experts that is
};
MemoryFit memory_fit(const Scenario& scenario);

// What a prediction rests on and may be otherwise.
struct Assumption {
  std::string name, unit, source;
  double low = 0, value = 0, high = 0;
  std::function<void(Scenario&, Acceptance&, double)> set;
};
std::vector<Assumption> assumptions_of(const Scenario& scenario, const Acceptance* acceptance);

}  // namespace specdec

// What speculation would bring on a machine that is not here, of a model whose weights are not here.
//   const Prediction found = predict({.target = "glm-5.2", .hardware = "m3-ultra", .draft = "mtp", .acceptance =
//   {0.85}});
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "verify/calibrate.h"
#include "verify/cost.h"

namespace specdec {

struct PredictOptions {
  std::string target;    // as inspect takes it, a known model (known_configs), or a file of sizes (docs/predict.md)
  std::string hardware;  // a machine's name or file
  std::optional<std::string> engine = {};              // by name or file; the machine's own if not given
  std::vector<std::string> set = {};                   // "row_s=1e-4": figures of the machine that are known better
  std::optional<std::string> experts = {}, rest = {};  // weight formats
  std::string draft = "none";  // none, ngram, mtp, small:CONFIG, eagle, eagle:CONFIG, block:CONFIG
  std::optional<std::string> draft_experts = {}, draft_rest = {};  // its weight formats; the target's for mtp
  std::optional<double> draft_s = {};                              // measured, of one guess
  std::optional<double> plain_s = {};                              // measured, of a plain token
  std::vector<double> acceptance = {};         // of one guess after another, each when all before were accepted
  std::vector<double> prefixes = {};           // shares of steps that accept at least 1, 2, … guesses
  std::optional<double> tokens_per_pass = {};  // at the longest of `guesses`
  std::vector<int> guesses{1, 2, 3, 4, 5, 6, 7, 8};
  int machines = 1;
  std::string parallel = "tensor";
  std::optional<std::string> link = {};  // the machine's own if not given
  int context = 8192;
  std::string overlap = "published";          // uniform, published, or as of find_overlap
  std::vector<double> unions = {};            // measured experts of a layer at 1, 2, … rows
  std::optional<double> hit_rate = {};        // experts are read from disk
  std::optional<std::string> calibrate = {};  // measured points
};

struct GuessCost {
  int guesses = 0;
  double draft_s = 0, step_s = 0;
  double break_even = 0;                   // tokens per pass
  std::optional<double> break_even_alpha;  // even chance of a guess; nothing if none is enough
  double tokens = 0, speed_up = 0;         // if acceptance was given
};

// What becomes of the result when one assumption is otherwise: of the speed-up, or of break-even tokens per pass.
struct Sensitivity {
  Assumption assumption;
  double at_low = 0, at_high = 0;
  bool flips = false;
};

enum class Sign { pays, does_not, unclear, unknown };  // unclear: either may be; unknown: no acceptance was given
std::string_view name_of(Sign sign);

struct Prediction {
  PredictOptions options;
  std::string target, formats;
  Scenario scenario;
  std::optional<Acceptance> acceptance;
  std::optional<Calibration> calibration;
  std::vector<PassPrice> passes;   // of 1 to 16 rows
  std::vector<GuessCost> guesses;  // in the order asked for
  GuessCost best;                  // the highest speed-up; without acceptance the lowest break-even chance
  std::vector<Sensitivity> sensitivities;
  double spread = 0;         // of the logarithm of the result: a standard deviation
  double low = 0, high = 0;  // of it, two times in three
  double chance = 0;         // that it pays
  Sign sign = Sign::unknown;
  MemoryFit memory;
  std::vector<PrefillPrice> prefill;
  double peak_s = 0;  // of a plain token if its bytes came at the peak bandwidth: no machine is faster
  std::vector<std::string> notes;
};

// Throws Error or UsageError for what is no model, no machine or no sensible number.
Prediction predict(const PredictOptions& options);

// {"layers": 40, "hidden_size": 2048, "fixed_bytes": 4.6e9, "experts": 256, "experts_per_token": 8,
// "expert_bytes": 1.77e6}: bytes that every pass reads, and those of one expert of one layer. Throws Error.
Traffic traffic_of_sizes(const ConfigReader& file);

}  // namespace specdec

// What is kept of one text, decoded with guesses and plainly: the facts from which tables are counted.
//   const auto measured = measure_pair(target, mtp, ids, options, engine, guessed_first, go_on);
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/trial.h"
#include "verify/tally.h"

namespace specdec {

// Distinct experts, sums over passes.
struct LayerFacts {
  int layer = 0;
  double woken = 0, accepted = 0, uniform = 0;
};

struct TextFacts {
  std::int64_t tokens = 0, passes = 0, rows = 0, drafted = 0, accepted = 0, rejections = 0, draft_passes = 0;
  double prefill_s = 0;
  StepTimes times;
  BytesTally bytes;               // of weights read
  std::int64_t loaded_bytes = 0;  // of experts, from the file into memory
  std::vector<PositionTally> positions;
  std::vector<LayerFacts> layers;

  double per_token_s() const { return times.total_s() / static_cast<double>(std::max<std::int64_t>(1, tokens)); }
};
TextFacts facts_of(const Trial& trial, const Tally& tally);

struct MeasuredText {
  std::string prompt, domain;
  std::uint64_t seed = 0;
  bool guessed_first = false;
  TextFacts guessed, plain;
  std::optional<bool> identical;  // nothing: it was sampled
};

// Both texts end where the target ends them, or at max_tokens. Nothing if `go_on` says no. The caller names the prompt.
std::optional<MeasuredText> measure_pair(const LoadedTarget& target, const LoadedDrafter& drafter,
                                         std::span<const TokenId> prompt, const TrialOptions& options, Engine& engine,
                                         bool guessed_first, const std::function<Continue()>& go_on);

// JSON, and back. Throws Error if it is not what was written.
std::string json_of(const TextFacts& facts);
TextFacts facts_from(std::string_view json);

}  // namespace specdec

// What a traced run would have loaded, and how fast it would have been, with other policies and budgets of memory.
//   const std::vector<SweepLine> lines = sweep_experts(logs, {"lru"}, {"25%", "50%"}, loads);
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/expert_log.h"
#include "core/expert_replay.h"
#include "experiments/load_times.h"

namespace specdec {

// The steps of one run; the prompt before them fills the memory.
struct SweepSide {
  ExpertCounts counts;
  double hit_rate = 0, bytes_per_token = 0;  // of loads, as stored
  std::optional<double> tokens_per_s{};      // predicted
  std::optional<double> measured_tokens_per_s{};
};

struct SweepLine {
  std::string policy, budget;
  double share = 0;  // of the memory that all experts take
  int slots = 0;
  SweepSide run;
  std::optional<SweepSide> plain{};

  std::optional<double> speed_up() const;           // predicted
  std::optional<double> measured_speed_up() const;  // of both sides
};

// A traced run, and perhaps plain decoding of the same text.
struct SweepLogs {
  std::string path, plain_path;
  ExpertLog run;
  std::optional<ExpertLog> plain;
};
// Throws Error if one is no such trace, or they are of different models.
SweepLogs read_sweep_logs(const std::string& trace, const std::optional<std::string>& plain);

// policies: names of expert_policies(), static alone for the hot set of the run itself, or static:FILE. budgets: as
// EngineOptions::expert_cache. loads: for predictions; null = none.
std::vector<SweepLine> sweep_experts(const SweepLogs& logs, std::span<const std::string> policies,
                                     std::span<const std::string> budgets, const LoadTimes* loads);

// The run as its own store ran it; nothing if all experts were packed at once.
std::optional<ReplayCounts> replay_as_it_ran(const ExpertLog& log);

// Fills in what runs with a budget measured: files that `specdec run --json` wrote, several of one budget as their
// median. Throws Error if one is no such file or has no budget.
void add_measured(std::span<const std::filesystem::path> files, std::vector<SweepLine>& lines);

// Shares of memory at which a speed-up crosses 1, on the lines between its points; ascending shares.
std::vector<double> crossings_of_one(std::span<const std::pair<double, double>> speed_ups);

}  // namespace specdec

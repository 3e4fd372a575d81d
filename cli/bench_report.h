// What `specdec bench` found, for people and as JSON.
#pragma once

#include <string>

#include "cli/origin.h"
#include "experiments/model_bench.h"
#include "experiments/trial.h"

namespace specdec {

struct BenchReport {
  Origin origin;
  const LoadedTarget& target;
  std::string rows;  // what the rows of a pass are: "text" or "random tokens"
  ModelBench bench{};
};

std::string summary_of(const BenchReport& report);
std::string json_of(const BenchReport& report);  // one object; units are in the names

}  // namespace specdec

// What `specdec bench` found, for people and as JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/option.h"
#include "experiments/machine.h"
#include "experiments/model_bench.h"
#include "experiments/trial.h"

namespace specdec {

struct BenchReport {
  std::string date;  // UTC
  std::vector<Option> options;
  Machine machine;
  int threads = 0;
  std::string instruction_set;
  const LoadedTarget& target;
  std::string rows;  // what the rows of a pass are: "text" or "random tokens"
  ModelBench bench{};
};

std::string summary_of(const BenchReport& report);
std::string json_of(const BenchReport& report);  // one object; units are in the names

}  // namespace specdec

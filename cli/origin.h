// Where the figures of a report come from: what was run, when and on what. JSON text, that a report takes in.
#pragma once

#include <string>
#include <vector>

#include "cli/option.h"
#include "core/engine.h"
#include "core/model.h"
#include "experiments/limit.h"
#include "experiments/machine.h"
#include "experiments/provenance.h"

namespace specdec {

struct Origin {
  std::string command, date;  // UTC
  std::vector<Option> options;
  Machine machine;
  int threads = 0;
  std::string instruction_set;
};
Origin origin_of(std::string command, std::vector<Option> options, const Engine& engine);

std::string json_of(const std::vector<Option>& options);
std::string json_of(const Origin& origin, const LimitFacts& rates);
std::string json_of(const Model& model);

}  // namespace specdec

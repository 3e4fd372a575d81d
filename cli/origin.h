// Where the figures of a report come from, as JSON text that a report takes in.
#pragma once

#include <string>
#include <vector>

#include "cli/option.h"
#include "core/engine.h"
#include "core/model.h"
#include "experiments/limit.h"
#include "experiments/machine.h"

namespace specdec {

std::string json_of(const std::vector<Option>& options);  // name -> value, null where none was given
std::string json_of(const Model& model);
std::string json_of(const Machine& machine, int threads, const std::string& instruction_set, const LimitFacts& rates);

}  // namespace specdec

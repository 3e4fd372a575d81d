// What `specdec inspect` found, in words and as JSON.
#pragma once

#include <string>

#include "experiments/inspect.h"

namespace specdec {

std::string summary_of(const Inspection& found);
std::string json_of(const Inspection& found);

}  // namespace specdec

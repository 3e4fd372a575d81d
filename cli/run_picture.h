// The experts that the passes of a run woke, layer by layer, as an SVG picture.
#pragma once

#include <string>

#include "cli/run_report.h"

namespace specdec {

// Of a target with routed experts.
std::string picture_of(const RunReport& report);

}  // namespace specdec

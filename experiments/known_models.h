// Models that need no file: published config.json files, tests/data/configs/<name>.json.
//   const Inspection found = inspect_known({.model = "glm-5.2"});
#pragma once

#include <span>
#include <string>

#include "experiments/inspect.h"
#include "verify/hardware.h"

namespace specdec {

std::span<const NamedText> model_configs();  // generated from the files

// As inspect(), also by the name of a known model; what exists as a file goes first. Throws UsageError that names them.
Inspection inspect_known(const InspectOptions& options);

// What a model argument is called in a report: a known name as it is, else the directory or the file without its
// ending.
std::string model_name(const std::string& model);

}  // namespace specdec

// Experiments that the program brings along: experiments/configs/*.json.
#pragma once

#include <span>

#include "verify/hardware.h"

namespace specdec {

std::span<const NamedText> sweep_files();

}  // namespace specdec

// Experiments that the program brings along: experiments/configs/*.json.
#pragma once

#include <span>

#include "core/named_text.h"

namespace specdec {

std::span<const NamedText> sweep_files();

}  // namespace specdec

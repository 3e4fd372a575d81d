#pragma once

#include <string_view>

#include "tokenizers/jinja/syntax.h"

namespace specdec::jinja {

// Throws SyntaxError.
Block parse(std::string_view source);

}  // namespace specdec::jinja

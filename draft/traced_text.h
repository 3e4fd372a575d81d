// The text that a traced run said.
#pragma once

#include <map>
#include <string>

#include "core/types.h"

namespace specdec {

// The tokens that the lines of `specdec run --trace` emitted, by position. Throws Error that names the line that is not
// one, or a token that a model of `vocab` tokens does not have.
std::map<int, TokenId> read_traced_text(const std::string& path, int vocab);

}  // namespace specdec

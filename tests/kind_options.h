// What drafters must be told before they can be made, or to be wrong now and then, for tests that run over all kinds.
//   make_drafter({std::string(kind.name), "", needed_options(kind.name)}, context);
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace specdec {

std::map<std::string, std::string> needed_options(std::string_view drafter_kind);

}  // namespace specdec

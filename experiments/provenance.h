// Where a result comes from: what a number cannot do without.
#pragma once

#include <string>
#include <string_view>

namespace specdec {

std::string_view version();  // of this program: number and commit
std::string utc_now();       // "2026-11-21T10:52:11Z"

}  // namespace specdec

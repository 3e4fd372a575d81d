// How many times as long as reading weights from memory it takes to bring them from storage there: what policies that
// count bytes weigh ReadCost::loaded with.
#pragma once

#include "draft/options.h"

namespace specdec {

// storage=16 if nobody says: 5 GB/s of a good disk beside 80 GB/s of memory. `specdec bench` and `specdec probe`
// measure both.
inline double take_storage_weight(Options& options) { return options.number("storage", 16, 0, 1e6); }

}  // namespace specdec

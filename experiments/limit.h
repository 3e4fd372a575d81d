// What a run spends its time on, from facts that were measured: how fast it reads weights compared with how fast this
// machine can read, and how long its threads wait for each other.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "experiments/machine.h"

namespace specdec {

struct LimitFacts {
  double total_s = 0;                       // of all steps
  double passes_s = 0;                      // of them, in passes of target and drafter
  double bytes_read = 0;                    // weights that these passes read
  double read_bytes_per_s = 0;              // what the machine reads from a buffer of `resident_bytes`
  std::int64_t resident_bytes = 0;          // all weights that the run may touch
  std::int64_t last_level_cache_bytes = 0;  // 0 = unknown
  double loading_s = 0;                     // that passes waited for experts that were not in memory
  double barrier_count = 0;                 // times that the threads waited for one another
  double barrier_s = 0;                     // one of them, with its part in starting the threads
};

// The facts that no run is needed for: measured, in about 0.1 s.
LimitFacts machine_facts(const Machine& machine, std::int64_t resident_bytes, Pool& pool);

enum class Limit { cache, memory, compute, loading, barriers, loop };

struct LimitReport {
  Limit limit = Limit::compute;  // the largest share
  bool fits_cache = false;
  // Shares of the total time that add up to one.
  double reading_share = 0;  // the least that reading the weights can take at the measured rate
  double loading_share = 0;  // waiting for experts that were not in memory
  double barrier_share = 0;  // the threads waiting for one another
  double loop_share = 0;     // outside of the passes: choosing, judging, keeping, telling
  double compute_share = 0;  // what is left: arithmetic, and reading that the arithmetic does not hide
};
LimitReport find_limit(const LimitFacts& facts);

struct LimitShare {
  Limit limit;
  double share;
};
std::array<LimitShare, 5> shares_of(const LimitReport& report);

std::string_view name_of(Limit limit);

}  // namespace specdec

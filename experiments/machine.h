// The machine that a measurement was made on: facts that are looked up, and rates that are measured on the spot.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/pool.h"

namespace specdec {

double seconds_since(std::chrono::steady_clock::time_point begin);

struct Machine {
  std::string cpu;                          // model name as the kernel knows it
  int cores = 0;                            // that this process may use
  std::int64_t last_level_cache_bytes = 0;  // the largest cache; 0 = unknown
  std::int64_t memory_bytes = 0;            // 0 = unknown
};
Machine this_machine();

// Whether a model of so many bytes of weights can be loaded: it is kept in memory whole. True if that is not known.
bool fits_memory(std::int64_t weight_bytes, const Machine& machine);

// A buffer that a pool reads again and again.
class ReadMeter {
 public:
  ReadMeter(Pool& pool, std::int64_t bytes);
  double bytes_per_s();  // of reading it once

 private:
  Pool& pool_;
  std::vector<std::uint64_t> words_, sums_;
};

// What `pool` reads per second from a buffer of so many bytes that it reads again and again: from the cache if it fits
// there, from memory if not. Takes about `patience_s`.
double measure_read_bytes_per_s(Pool& pool, std::int64_t bytes, double patience_s);

// What it adds at least to the time of their work when the threads wait for one another, with its part in starting
// them; 0 if this machine has no core free for every thread.
double measure_barrier_s(Pool& pool);

}  // namespace specdec

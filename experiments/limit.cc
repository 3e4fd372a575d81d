#include "experiments/limit.h"

#include <algorithm>

#include "core/error.h"

namespace specdec {

LimitReport find_limit(const LimitFacts& facts) {
  SPECDEC_ASSERT(facts.total_s > 0 && facts.read_bytes_per_s > 0);
  LimitReport report;
  report.fits_cache = facts.last_level_cache_bytes > 0 && facts.resident_bytes <= facts.last_level_cache_bytes;
  const double passes = std::min(1.0, facts.passes_s / facts.total_s);
  report.loop = 1 - passes;
  report.barriers = std::min(passes, facts.barriers * facts.barrier_s / facts.total_s);
  report.reading = std::min(passes - report.barriers, facts.bytes_read / facts.read_bytes_per_s / facts.total_s);
  report.compute = passes - report.barriers - report.reading;

  const double largest = std::max({report.compute, report.reading, report.barriers, report.loop});
  if (largest == report.compute) {
    report.limit = Limit::compute;
  } else if (largest == report.reading) {
    report.limit = report.fits_cache ? Limit::cache : Limit::memory;
  } else {
    report.limit = largest == report.barriers ? Limit::barriers : Limit::loop;
  }
  return report;
}

std::string_view name_of(Limit limit) {
  switch (limit) {
    case Limit::cache:
      return "cache";
    case Limit::memory:
      return "memory";
    case Limit::compute:
      return "compute";
    case Limit::barriers:
      return "barriers";
    case Limit::loop:
      return "loop";
  }
  SPECDEC_ASSERT(false);
}

}  // namespace specdec

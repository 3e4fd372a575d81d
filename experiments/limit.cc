#include "experiments/limit.h"

#include <algorithm>

#include "core/error.h"

namespace specdec {

LimitFacts machine_facts(const Machine& machine, std::int64_t resident_bytes, Pool& pool) {
  constexpr double kPatience_s = 0.1;
  constexpr std::int64_t kLeast = 4 << 20;
  LimitFacts facts;
  facts.resident_bytes = resident_bytes;
  facts.last_level_cache_bytes = machine.last_level_cache_bytes;
  // A buffer as large as the weights, or as tells memory from cache.
  const std::int64_t most = std::max<std::int64_t>(256 << 20, 2 * machine.last_level_cache_bytes);
  facts.read_bytes_per_s = measure_read_bytes_per_s(pool, std::clamp(resident_bytes, kLeast, most), kPatience_s);
  facts.barrier_s = measure_barrier_s(pool);
  return facts;
}

LimitReport find_limit(const LimitFacts& facts) {
  SPECDEC_ASSERT(facts.total_s > 0 && facts.read_bytes_per_s > 0);
  LimitReport report;
  report.fits_cache = facts.last_level_cache_bytes > 0 && facts.resident_bytes <= facts.last_level_cache_bytes;
  const double passes = std::min(1.0, facts.passes_s / facts.total_s);
  report.loop_share = 1 - passes;
  double left = passes;  // of the total, for what is looked at next
  const auto take = [&](double seconds) {
    const double share = std::min(left, seconds / facts.total_s);
    left -= share;
    return share;
  };
  report.loading_share = take(facts.loading_s);
  report.barrier_share = take(facts.barrier_count * facts.barrier_s);
  report.reading_share = take(facts.bytes_read / facts.read_bytes_per_s);
  report.compute_share = left;
  const auto shares = shares_of(report);
  report.limit = std::ranges::max_element(shares, {}, &LimitShare::share)->limit;
  return report;
}

std::array<LimitShare, 5> shares_of(const LimitReport& report) {
  return {LimitShare{Limit::compute, report.compute_share},
          {report.fits_cache ? Limit::cache : Limit::memory, report.reading_share},
          {Limit::loading, report.loading_share},
          {Limit::barriers, report.barrier_share},
          {Limit::loop, report.loop_share}};
}

std::string_view name_of(Limit limit) {
  switch (limit) {
    case Limit::cache:
      return "cache";
    case Limit::memory:
      return "memory";
    case Limit::compute:
      return "compute";
    case Limit::loading:
      return "loading";
    case Limit::barriers:
      return "barriers";
    case Limit::loop:
      return "loop";
  }
  SPECDEC_ASSERT(false);
}

}  // namespace specdec

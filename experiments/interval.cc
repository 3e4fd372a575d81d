#include "experiments/interval.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "experiments/median.h"

namespace specdec {

Interval bootstrap(std::size_t count, const std::function<double(std::span<const std::size_t>)>& statistic) {
  constexpr std::size_t kResamples = 1000, kTail = kResamples / 40;
  SPECDEC_ASSERT(count > 0);
  std::vector<std::size_t> chosen(count);
  std::iota(chosen.begin(), chosen.end(), 0);
  const double value = statistic(chosen);
  const Rng rng(1);
  std::vector<double> found;
  for (std::size_t i = 0; i < kResamples; ++i) {
    const Rng resample = rng.fork(i);
    for (std::size_t j = 0; j < count; ++j) {
      chosen[j] = static_cast<std::size_t>(resample.uniform(j) * static_cast<double>(count));
    }
    found.push_back(statistic(chosen));
  }
  std::ranges::sort(found);
  return {value, found[kTail], found[kResamples - 1 - kTail]};
}

Interval inverse(const Interval& interval) {
  const auto invert = [](double x, double of_zero) { return x > 0 ? 1 / x : of_zero; };
  return {invert(interval.value, 0), invert(interval.high, 0),
          invert(interval.low, std::numeric_limits<double>::infinity())};
}

Interval median_interval(const std::vector<double>& values) {
  return bootstrap(values.size(), [&](std::span<const std::size_t> chosen) {
    std::vector<double> some;
    for (const std::size_t i : chosen) some.push_back(values[i]);
    return median(std::move(some));
  });
}

}  // namespace specdec

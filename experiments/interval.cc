#include "experiments/interval.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "experiments/median.h"

namespace specdec {
namespace {

// The logarithm of a ratio of sums, and its standard error by linearisation (the delta method).
struct LogRatio {
  double value, error;
};

LogRatio log_ratio(std::span<const double> above, std::span<const double> below, std::span<const std::size_t> chosen) {
  const auto n = static_cast<double>(chosen.size());
  double mean_above = 0, mean_below = 0, square = 0;
  for (const std::size_t i : chosen) {
    mean_above += above[i] / n;
    mean_below += below[i] / n;
  }
  for (const std::size_t i : chosen) {
    const double part = above[i] / mean_above - below[i] / mean_below;
    square += part * part;
  }
  return {std::log(mean_above / mean_below), std::sqrt(square / (n * (n - 1)))};
}

// 97.5 % of Student's t with so many degrees of freedom, from 1.
constexpr std::array kStudent{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622,
                              2.2281,  2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009};
constexpr std::size_t kLeastForBootstrap = kStudent.size() + 2;

}  // namespace

Interval ratio_interval(std::span<const double> above, std::span<const double> below) {
  constexpr std::size_t kResamples = 2000;
  SPECDEC_ASSERT(!above.empty() && above.size() == below.size());
  const std::size_t count = above.size();
  std::vector<std::size_t> chosen(count);
  std::iota(chosen.begin(), chosen.end(), 0);
  const LogRatio found = log_ratio(above, below, chosen);
  const double value = std::exp(found.value);
  if (count == 1) {
    constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
    return {value, kUnknown, kUnknown};
  }
  if (count < kLeastForBootstrap) {
    const double reach = kStudent[count - 2] * found.error;
    return {value, std::exp(found.value - reach), std::exp(found.value + reach)};
  }
  const Rng rng(2);
  std::vector<double> studentised;
  for (std::size_t i = 0; i < kResamples; ++i) {
    const Rng resample = rng.fork(i);
    for (std::size_t j = 0; j < count; ++j)
      chosen[j] = static_cast<std::size_t>(resample.uniform(j) * static_cast<double>(count));
    const LogRatio again = log_ratio(above, below, chosen);
    const double shift = again.value - found.value;
    // Nothing above or below in all of a resample: as far out as can be.
    studentised.push_back(again.error > 0 ? shift / again.error : std::isfinite(shift) ? 0 : shift);
  }
  std::ranges::sort(studentised);
  const std::size_t tail = studentised.size() / 40;
  return {value, std::exp(found.value - studentised[studentised.size() - 1 - tail] * found.error),
          std::exp(found.value - studentised[tail] * found.error)};
}

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

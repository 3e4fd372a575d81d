// How far measured figures can be trusted: the bootstrap (Efron 1979) over the repeats.
//   const Interval ratio = median_interval(ratios_of_rounds);
//   const Interval speed_up = ratio_interval(plain_s, guessed_s);
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace specdec {

// 95 % of the resamples lie between `low` and `high`.
struct Interval {
  double value = 0, low = 0, high = 0;
};

// The statistic of `count` repeats, given which of them are looked at, some twice and some not at all. Resamples are
// the same in every call of equal `count`. `count` is 1 or more.
Interval bootstrap(std::size_t count, const std::function<double(std::span<const std::size_t>)>& statistic);

// Sum of `above` / sum of `below`, paired measurements > 0: percentiles of the studentised bootstrap of its logarithm
// (Efron and Tibshirani 1993, chapter 12), whose spread is that of the linearised ratio. Of fewer than 20 pairs, some
// of whose resamples have next to no spread, Student's t of the same spread; of one, low and high are NaN: it does not
// tell how far it can be trusted. Resamples are the same in every call of equal count.
Interval ratio_interval(std::span<const double> above, std::span<const double> below);

// 1 / x of all three, where x is positive; else 0, and infinity at the upper end.
Interval inverse(const Interval& interval);

Interval median_interval(const std::vector<double>& values);

}  // namespace specdec

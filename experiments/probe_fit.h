// Times of a routed layer as a sum of costs: of the experts that its rows wake together, each with the first row that
// chose it, of every further row on one of them, of having more than one row, and of the layer whatever it does.
//   const LayerCosts costs = fit_layer(points);
//   costs.seconds({.bytes = 85e6, .repeats = 9, .rows = 4});
#pragma once

#include <span>

namespace specdec {

struct LayerTime {
  double bytes = 0;    // of the distinct experts
  double repeats = 0;  // (row, expert) pairs beyond the first of each expert
  int rows = 0;
  double s = 0;
};

struct LayerCosts {
  double byte_s = 0;    // of the union
  double slot_s = 0;    // of each repeat
  double switch_s = 0;  // once, if there is more than one row
  double fixed_s = 0;

  double seconds(const LayerTime& point) const;
};

// Least squares of relative errors; no cost is negative.
LayerCosts fit_layer(std::span<const LayerTime> points);

// Bytes per second at which more of them come: the slope of a line through the points, least squares of relative
// errors. 0 if time does not grow.
double slope_bytes_per_s(std::span<const LayerTime> points);

}  // namespace specdec

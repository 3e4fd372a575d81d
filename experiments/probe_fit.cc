#include "experiments/probe_fit.h"

#include <Eigen/Dense>
#include <array>

namespace specdec {
namespace {

constexpr int kCosts = 4;
using Row = Eigen::Matrix<double, 1, kCosts>;

// What each cost is multiplied by.
Row features_of(const LayerTime& point) { return {point.bytes, point.repeats, point.rows > 1 ? 1.0 : 0.0, 1.0}; }

// Those of `free`; the others are zero.
Eigen::Vector4d solve(std::span<const LayerTime> points, const std::array<bool, kCosts>& free) {
  // Columns of one size, or the smallest cost is lost to rounding.
  Row scale = Row::Zero();
  for (const LayerTime& point : points) scale = scale.cwiseMax(features_of(point) / point.s);
  Eigen::MatrixXd left(points.size(), kCosts);
  for (std::size_t i = 0; i < points.size(); ++i) {
    left.row(static_cast<Eigen::Index>(i)) = features_of(points[i]) / points[i].s;
  }
  for (int cost = 0; cost < kCosts; ++cost) {
    const bool used = free[static_cast<std::size_t>(cost)] && scale(cost) > 0;
    left.col(cost) *= used ? 1 / scale(cost) : 0;
  }
  const Eigen::VectorXd right = Eigen::VectorXd::Ones(static_cast<Eigen::Index>(points.size()));
  Eigen::Vector4d found = left.completeOrthogonalDecomposition().solve(right);
  for (int cost = 0; cost < kCosts; ++cost) found(cost) = scale(cost) > 0 ? found(cost) / scale(cost) : 0;
  return found;
}

}  // namespace

double LayerCosts::seconds(const LayerTime& point) const {
  return features_of(point) * Eigen::Vector4d(byte_s, slot_s, switch_s, fixed_s);
}

LayerCosts fit_layer(std::span<const LayerTime> points) {
  std::array<bool, kCosts> free;
  free.fill(true);
  Eigen::Vector4d costs = solve(points, free);
  while (costs.minCoeff() < 0) {
    for (int cost = 0; cost < kCosts; ++cost) {
      if (costs(cost) < 0) free[static_cast<std::size_t>(cost)] = false;
    }
    costs = solve(points, free);
  }
  return {costs(0), costs(1), costs(2), costs(3)};
}

double slope_bytes_per_s(std::span<const LayerTime> points) {
  Eigen::MatrixXd left(points.size(), 2);
  const double most = points.empty() ? 1 : points.back().bytes;
  for (std::size_t i = 0; i < points.size(); ++i) {
    left.row(static_cast<Eigen::Index>(i)) << points[i].bytes / most / points[i].s, 1 / points[i].s;
  }
  const Eigen::VectorXd right = Eigen::VectorXd::Ones(static_cast<Eigen::Index>(points.size()));
  const Eigen::Vector2d line = left.completeOrthogonalDecomposition().solve(right);
  return line(0) > 0 ? most / line(0) : 0;
}

}  // namespace specdec

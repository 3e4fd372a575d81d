#include "verify/calibrate.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace specdec {
namespace {

// A pass is a sum of these, each times one number of the machine.
constexpr int kNumbers = 7;
using Row = Eigen::Matrix<double, 1, kNumbers>;
using Numbers = Eigen::Matrix<double, kNumbers, 1>;

struct Linear {
  // Of seconds per byte, per layer, per layer and row, per repeated byte, per byte by other kernels, per layer of
  // sparse attention by other kernels, per step.
  Row features = Row::Zero();
  double rest = 0;    // of the other terms
  double weight = 1;  // one over its error

  Linear& operator+=(const Linear& other) {
    features += other.features;
    rest += other.rest;
    return *this;
  }
};

Scenario with_union(const Scenario& scenario, const MeasuredPass& point) {
  Scenario changed = scenario;
  if (point.woken == 0) return changed;
  changed.overlap.kind = Overlap::Kind::measured;
  changed.overlap.measured.assign(static_cast<std::size_t>(point.rows), point.woken);
  return changed;
}

Linear linear_of(const HardwareProfile& machine, const Traffic& traffic, const PassPrice& cost, const PassPrice& one) {
  const double rate = machine.effective_bytes_per_s.value;
  const double woken_bytes = cost.of(Term::experts) * rate;
  const double repeated = cost.woken == 0 ? 0 : woken_bytes * (traffic.experts_per_token * cost.rows / cost.woken - 1);
  Linear linear;
  linear.features << (cost.of(Term::fixed) + cost.of(Term::cache)) * rate + woken_bytes, traffic.layers,
      (cost.rows - 1) * traffic.layers, repeated,
      switches(machine, cost.rows) ? (one.of(Term::fixed) + one.of(Term::experts)) * rate : 0,
      cost.rows > 1 ? traffic.sparse_layers : 0, 0;
  linear.rest = cost.of(Term::host) + cost.of(Term::links) + cost.of(Term::storage);
  return linear;
}

Linear linear_of(const Scenario& scenario, const MeasuredPass& point) {
  const HardwareProfile& machine = scenario.machine;
  Linear linear =
      linear_of(machine, scenario.target, pass_cost(with_union(scenario, point), point.rows), pass_cost(scenario, 1));
  if (point.guesses == 0) return linear;
  linear.features(6) = 1;
  const Drafting& drafting = scenario.drafting;
  if (drafting.guess_s || drafting.kind == Drafting::Kind::free) {
    linear.rest += draft_seconds(scenario, point.guesses);
    return linear;
  }
  const bool block = drafting.kind == Drafting::Kind::block;
  const Linear pass = linear_of(machine, drafting.traffic, draft_pass_cost(scenario, block ? point.guesses : 1),
                                draft_pass_cost(scenario, 1));
  for (int i = 0; i < (block ? 1 : point.guesses); ++i) linear += pass;
  return linear;
}

double priced_seconds(const Scenario& scenario, const MeasuredPass& point) {
  const Scenario with = with_union(scenario, point);
  return point.guesses > 0 ? step_seconds(with, point.guesses) : pass_cost(with, point.rows).total();
}

double deviation(const Figure& figure) { return std::max((figure.high - figure.low) / 2, 1e-12); }

// How long one byte takes as the machine has it, and how firm that is.
struct Prior {
  Numbers mean, spread;
};
Prior prior_of(const HardwareProfile& machine) {
  const Figure& rate = machine.effective_bytes_per_s;
  const double per_byte = 1 / rate.value;
  Prior prior;
  prior.mean << per_byte, machine.dispatch_s.value, machine.row_s.value, machine.repeat_share.value * per_byte,
      machine.switch_share.value * per_byte, machine.sparse_s.value, machine.step_s.value;
  constexpr double kExact = 1e-9;  // of a figure that is given
  prior.spread << std::max((1 / rate.low - 1 / rate.high) / 2, kExact * per_byte), deviation(machine.dispatch_s),
      deviation(machine.row_s), deviation(machine.repeat_share) * per_byte, deviation(machine.switch_share) * per_byte,
      deviation(machine.sparse_s), deviation(machine.step_s);
  return prior;
}

// Those of `free` fitted, the others zero.
Numbers solve(const std::vector<Linear>& rows, std::span<const MeasuredPass> points, const Prior& prior,
              const std::array<bool, kNumbers>& free) {
  Eigen::Matrix<double, kNumbers, kNumbers> normal = Eigen::Matrix<double, kNumbers, kNumbers>::Zero();
  Numbers right = Numbers::Zero();
  // In units of the prior's spread, so that the numbers are of one size.
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double weight = rows[i].weight / points[i].seconds;
    const Row scaled = weight * rows[i].features.cwiseProduct(prior.spread.transpose());
    normal += scaled.transpose() * scaled;
    right += scaled.transpose() * weight * (points[i].seconds - rows[i].rest);
  }
  normal += Numbers::Ones().asDiagonal();
  right += prior.mean.cwiseQuotient(prior.spread);
  for (int i = 0; i < kNumbers; ++i) {
    if (free[static_cast<std::size_t>(i)]) continue;
    normal.row(i).setZero();
    normal.col(i).setZero();
    normal(i, i) = 1;
    right(i) = 0;
  }
  return normal.ldlt().solve(right).cwiseProduct(prior.spread);
}

}  // namespace

std::vector<MeasuredPass> read_points(const ConfigReader& file) {
  std::vector<MeasuredPass> points;
  const bool bench = !file.has("points") && file.has("passes");
  for (const ConfigReader& point : file.objects(bench ? "passes" : "points")) {
    MeasuredPass& pass = points.emplace_back();
    pass.rows = point.count("rows");
    pass.seconds = point.number(bench ? "pass_s" : "seconds", 0);
    pass.woken = point.number(bench ? "experts_per_layer" : "experts", 0);
    constexpr int kMostRows = 4096;
    if (pass.rows > kMostRows) {
      throw Error("{}: 'rows' is {}; expected at most {}", point.origin(), pass.rows, kMostRows);
    }
    if (pass.seconds <= 0) {
      throw Error("{}: '{}' is missing or not positive", point.origin(), bench ? "pass_s" : "seconds");
    }
    if (pass.woken < 0) throw Error("{}: 'experts' is {}; expected 0 or more", point.origin(), pass.woken);
  }
  if (points.empty()) {
    throw Error("{}: 'points' is missing or empty; expected a list such as [{{\"rows\": 1, \"seconds\": 0.05}}]",
                file.origin());
  }
  return points;
}

HardwareProfile with_engine(const HardwareProfile& machine, const HardwareProfile& engine) {
  HardwareProfile mixed = engine;
  const double ratio = machine.peak_bytes_per_s.value / engine.peak_bytes_per_s.value;
  for (double Figure::*value : {&Figure::value, &Figure::low, &Figure::high})
    mixed.effective_bytes_per_s.*value *= ratio;
  mixed.name = machine.name;
  mixed.title = machine.title;
  mixed.memory_bytes = machine.memory_bytes;
  mixed.usable_memory_bytes = machine.usable_memory_bytes;
  mixed.peak_bytes_per_s = machine.peak_bytes_per_s;
  mixed.flops_per_s = machine.flops_per_s;
  mixed.link_bytes_per_s = machine.link_bytes_per_s;
  mixed.link_latency_s = machine.link_latency_s;
  mixed.disk_bytes_per_s = machine.disk_bytes_per_s;
  mixed.pass_s = machine.pass_s;
  return mixed;
}

Calibration calibrate(const Scenario& scenario, std::span<const MeasuredPass> points, const std::string& source) {
  const MeasuredModel model{.scenario = scenario, .points = {points.begin(), points.end()}};
  return calibrate(scenario.machine, std::span(&model, 1), source);
}

Calibration calibrate(const HardwareProfile& machine, std::span<const MeasuredModel> models,
                      const std::string& source) {
  std::vector<Linear> rows;
  std::vector<MeasuredPass> points;
  for (const MeasuredModel& model : models) {
    Scenario scenario = model.scenario;
    scenario.machine = with_engine(scenario.machine, machine);
    for (const MeasuredPass& point : model.points) {
      Linear& linear = rows.emplace_back(linear_of(scenario, point));
      const double slower = machine.peak_bytes_per_s.value / scenario.machine.peak_bytes_per_s.value;
      for (const int of_bytes : {0, 3, 4}) linear.features(of_bytes) *= slower;
      linear.weight = 1 / model.error;
      points.push_back(point);
    }
  }
  const Prior prior = prior_of(machine);
  std::array<bool, kNumbers> free;
  free.fill(true);
  Numbers numbers = solve(rows, points, prior, free);
  for (int rounds = 0; rounds < kNumbers; ++rounds) {  // what would be negative is nothing
    bool all = true;
    for (int i = 0; i < kNumbers; ++i) {
      if (numbers(i) >= 0) continue;
      free[static_cast<std::size_t>(i)] = all = false;
    }
    if (all) break;
    numbers = solve(rows, points, prior, free);
  }
  const double per_byte = std::max(numbers(0), prior.mean(0) / 100);

  Calibration calibration{.machine = machine, .fitted = {}, .residuals = {}};
  const auto set = [&](std::string_view name, double value) {
    for (const auto& field : hardware_fields()) {
      if (field.name != name) continue;
      Figure& figure = calibration.machine.*field.figure;
      const double spread = std::sqrt(field.spread);
      figure = {.value = value, .known = true, .low = value / spread, .high = value * spread, .source = source};
      calibration.fitted.emplace_back(name);
    }
  };
  set("effective_bytes_per_s", 1 / per_byte);
  set("dispatch_s", numbers(1));
  const bool wide = std::ranges::any_of(points, [](const MeasuredPass& point) { return point.rows > 1; });
  if (wide) {
    set("row_s", numbers(2));
    set("repeat_share", numbers(3) / per_byte);
    set("switch_share", numbers(4) / per_byte);
  }
  const auto fits = [&](int number) {
    return std::ranges::any_of(rows, [&](const Linear& row) { return row.features(number) > 0; });
  };
  if (fits(5)) set("sparse_s", numbers(5));
  if (fits(6)) set("step_s", numbers(6));
  for (const MeasuredModel& model : models) {
    Scenario before = model.scenario, after = model.scenario;
    before.machine = with_engine(model.scenario.machine, machine);
    after.machine = with_engine(model.scenario.machine, calibration.machine);
    for (const MeasuredPass& point : model.points) {
      calibration.residuals.push_back(
          {.point = point, .before_s = priced_seconds(before, point), .after_s = priced_seconds(after, point)});
    }
  }
  return calibration;
}

}  // namespace specdec

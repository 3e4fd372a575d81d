// A machine's figures fitted to times that were measured there.
//   const Calibration found = calibrate(scenario, read_points("points.json"));
#pragma once

#include <span>
#include <string>
#include <vector>

#include "verify/cost.h"

namespace specdec {

// A pass of the target, without drafting; or a step.
struct MeasuredPass {
  int rows = 0;
  double seconds = 0;
  double woken = 0;  // distinct experts of a layer; 0 = by the scenario's overlap
  int guesses = 0;   // of a step: so many of the scenario's drafter are made, and looked at in the pass
};

// {"points": [{"rows": 1, "seconds": 0.0347}, {"rows": 8, "seconds": 0.0668, "experts": 39.4}, …]}, or what specdec
// bench writes. Throws Error.
std::vector<MeasuredPass> read_points(const ConfigReader& file);

struct Calibration {
  HardwareProfile machine;          // with the fitted figures
  std::vector<std::string> fitted;  // their names
  struct Residual {
    MeasuredPass point;
    double before_s = 0, after_s = 0;  // priced with the machine as it was, and as fitted
  };
  std::vector<Residual> residuals;
};

// Passes of several models, or of several machines of one sort, whose bandwidths differ as their peaks do.
struct MeasuredModel {
  Scenario scenario;
  std::vector<MeasuredPass> points;
  double error = 0.03;  // of each time, relative
};

// Least squares of relative errors, drawn towards the figures that the machine had as far as they are firm; no figure
// becomes negative.
Calibration calibrate(const Scenario& scenario, std::span<const MeasuredPass> points, const std::string& source);
// `prior`: the machine that is fitted; those of the scenarios give their peaks alone.
Calibration calibrate(const HardwareProfile& prior, std::span<const MeasuredModel> models, const std::string& source);

// The machine with the engine of another: its peak, memory, links and disk; what the other makes of them.
HardwareProfile with_engine(const HardwareProfile& machine, const HardwareProfile& engine);

}  // namespace specdec

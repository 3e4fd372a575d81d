// What a verify pass of w rows costs in one routed layer of true shape on this machine, and why: times under same,
// disjoint, uniform and natural routing, from memory and from disk, and costs fitted to them.
//   const Probe found = probe(shape, {.format = "affine4g64"}, find_overlap("demo-moe"), engine_options);
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"
#include "experiments/interval.h"
#include "experiments/machine.h"
#include "experiments/probe_fit.h"
#include "experiments/routed_shape.h"
#include "verify/hardware.h"
#include "verify/overlap_curve.h"

namespace specdec {

inline constexpr int kManyRows = 128;  // of the pass that tells arithmetic

struct ProbeOptions {
  std::string format = "affine4g64";  // of the experts, a name of core/encode.h
  std::vector<int> widths{1, 2, 3, 4, 6, 8, 12, 16};
  std::int64_t memory_bytes = 0;  // of experts as stored, at most; 0 = half of what is free here, at most 4 GiB if that
                                  // is enough
  std::filesystem::path directory;  // where they are written to; empty = the system's for temporary files
  double patience_s = 20;           // for the times from memory; from disk about as long again
  bool from_disk = true;
  std::uint64_t seed = 1;
};

// Medians of all rounds, per layer.
struct ProbePoint {
  Routing routing = Routing::same;
  int rows = 0;
  double woken = 0;  // distinct experts, mean of the rounds
  double bytes = 0;  // of them, as stored
  Interval s;
};

// As LayerCosts, with the interval that holds 95 % of them when the rounds are drawn again.
struct ProbeCosts {
  Interval byte_s, slot_s, switch_s, fixed_s;
  double median_error = 0, worst_error = 0;  // of the points, relative
};

// How much longer a layer takes if so many of its experts have to come from disk at once, packing included.
struct ProbeLoad {
  int experts = 0, buffers = 0;  // that are read at a time
  Interval s;                    // median
  double mean_s = 0;             // what many of them add up to
  double packing_share = 0;
};

struct Probe {
  ProbeOptions options;
  RoutedShape shape;
  OverlapCurve natural;
  int stored = 0, layers = 0;  // experts of a layer, and layers, that were made
  std::int64_t expert_bytes = 0, packed_expert_bytes = 0;
  int threads = 0;
  std::string instruction_set, reads;
  Machine machine;
  int rounds = 0;
  Interval read_bytes_per_s;  // of this machine's memory, from a buffer larger than its caches, in the same rounds
  std::vector<ProbePoint> points;
  ProbeCosts costs;
  Interval slope_bytes_per_s;  // of the disjoint points of more than one row: what more experts come at
  Interval roofline_share;     // of one row: the time that its bytes take at read_bytes_per_s, of its time
  double flops_per_s = 0;      // of many rows on the same experts
  std::vector<ProbePoint> from_disk;
  std::vector<ProbeLoad> loads;
  double disk_bytes_per_s = 0;  // at which more experts come, of the widest reads

  const ProbePoint* at(Routing routing, int rows) const;
  std::vector<std::string> notes;  // what was left out, and why
};

// Who asked for it.
struct ProbeWatcher {
  std::function<void(std::string_view)> say;  // what is being done, for people
  std::function<bool()> stop;                 // whether nobody waits for it any more
};

// Throws Error if the format does not fit the shape, there is no room for the experts of one row, or it was stopped.
Probe probe(const RoutedShape& shape, const ProbeOptions& options, const OverlapCurve& natural,
            const EngineOptions& engine, const ProbeWatcher& watcher);

// This machine with this engine: what was measured, and assumptions for what a layer of experts cannot tell.
HardwareProfile hardware_of(const Probe& found);

}  // namespace specdec

// How long a pass waits for so many experts from disk, as `specdec probe` measured it on this machine, and what a
// traced run would take with that.
//   const LoadTimes loads = read_load_times(files, log.expert_bytes);
//   const double s = loads.seconds(4, 16);
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <vector>

namespace specdec {

class LoadTimes {
 public:
  // Seconds of bringing `experts` at once with so many buffers to read into. Ascending numbers of experts.
  void add(int experts, int buffers, double seconds);

  // Between two measured numbers of experts on the line through both, beyond them on the last one or level; with the
  // nearest number of buffers that was measured.
  double seconds(int experts, int buffers) const;
  // waits[n]: how often n loads were waited for at once.
  double seconds(std::span<const std::int64_t> waits, int buffers) const;

 private:
  struct Point {
    int experts;
    double seconds;
  };
  std::map<int, std::vector<Point>> by_buffers_;
};

// What specdec probe --json wrote; several files, such as from before and after a run: the mean of their times. Throws
// Error if one has no loads, or its experts are not of that size, as stored.
LoadTimes read_load_times(std::span<const std::filesystem::path> files, std::int64_t expert_bytes);

}  // namespace specdec

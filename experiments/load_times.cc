#include "experiments/load_times.h"

#include <algorithm>
#include <cmath>

#include "core/config.h"
#include "core/error.h"

namespace specdec {

void LoadTimes::add(int experts, int buffers, double seconds) {
  std::vector<Point>& points = by_buffers_[buffers];
  SPECDEC_ASSERT(points.empty() || points.back().experts < experts);
  points.push_back({experts, seconds});
}

double LoadTimes::seconds(int experts, int buffers) const {
  if (experts == 0) return 0;
  const auto distance = [&](const auto& entry) { return std::abs(std::log2(entry.first) - std::log2(buffers)); };
  const auto nearest = std::ranges::min_element(by_buffers_, {}, distance);
  SPECDEC_ASSERT(nearest != by_buffers_.end());
  const std::vector<Point>& points = nearest->second;
  if (points.size() == 1) return points.front().seconds * experts / points.front().experts;
  std::size_t above = 1;
  while (above + 1 < points.size() && points[above].experts < experts) ++above;
  const Point &a = points[above - 1], &b = points[above];
  return std::lerp(a.seconds, b.seconds, static_cast<double>(experts - a.experts) / (b.experts - a.experts));
}

double LoadTimes::seconds(std::span<const std::int64_t> waits, int buffers) const {
  double all = 0;
  for (std::size_t n = 1; n < waits.size(); ++n) {
    all += static_cast<double>(waits[n]) * seconds(static_cast<int>(n), buffers);
  }
  return all;
}

LoadTimes read_load_times(std::span<const std::filesystem::path> files) {
  std::map<std::pair<int, int>, std::vector<double>> found;  // by buffers and experts
  for (const std::filesystem::path& path : files) {
    const ConfigReader file = ConfigReader::of_file(path);
    const std::vector<ConfigReader> loads = file.objects("loads");
    if (loads.empty()) {
      throw Error("{}: 'loads' is missing or empty; expected what specdec probe --json writes, with loads from disk",
                  path.string());
    }
    for (const ConfigReader& load : loads) {
      const double seconds = load.number("mean_seconds", 0);
      if (!(seconds > 0)) throw Error("{}: 'mean_seconds' is {}; expected more than 0", load.origin(), seconds);
      found[{load.count("buffers"), load.count("experts")}].push_back(seconds);
    }
  }
  LoadTimes times;
  for (const auto& [what, seconds] : found) {
    double sum = 0;
    for (const double s : seconds) sum += s;
    times.add(what.second, what.first, sum / static_cast<double>(seconds.size()));
  }
  return times;
}

}  // namespace specdec

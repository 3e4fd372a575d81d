#include "experiments/probe.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "core/error.h"
#include "core/memory.h"
#include "core/pool.h"
#include "experiments/median.h"
#include "experiments/provenance.h"
#include "experiments/routed_layers.h"

namespace specdec {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kEnough = std::int64_t{4} << 30;  // bytes of experts: far more than caches hold
constexpr int kLeastRounds = 5, kMostRounds = 301;

// How much is made, and the widths that it is enough for.
struct Plan {
  int stored = 0, layers = 0;
  std::vector<int> widths;
};

Plan plan_for(const RoutedShape& shape, std::int64_t expert_bytes, const ProbeOptions& options,
              const std::filesystem::path& directory, std::vector<std::string>& notes) {
  const auto room = static_cast<std::int64_t>(0.9 * static_cast<double>(std::filesystem::space(directory).available));
  const std::int64_t memory = memory_for_weights() / 2;
  const std::int64_t limit = options.memory_bytes > 0 ? options.memory_bytes : std::min(memory, room);
  const std::string of = options.memory_bytes > 0 ? "--memory"
                         : room < memory          ? fmt::format("free disk in {}", directory.string())
                                                  : "half of the free memory";
  const auto experts_of = [&](int rows) { return std::min(shape.experts, rows * shape.experts_per_token); };
  Plan plan;
  for (const int rows : options.widths) {
    if (experts_of(rows) * expert_bytes <= limit) plan.widths.push_back(rows);
  }
  if (plan.widths.empty()) {
    throw Error(
        "{} experts of {:.3f} MB are wanted at once, but {:.3f} GB may be taken ({}); use {}a smaller format or fewer "
        "--widths",
        experts_of(options.widths.front()), static_cast<double>(expert_bytes) / 1e6, static_cast<double>(limit) / 1e9,
        of, options.memory_bytes > 0 ? "a larger --memory, " : "");
  }
  if (plan.widths.size() < options.widths.size()) {
    notes.push_back(fmt::format("{} rows and more are left out: their experts take more than {:.2f} GB ({})",
                                options.widths[plan.widths.size()], static_cast<double>(limit) / 1e9, of));
  }
  const int needed = experts_of(plan.widths.back());
  const std::int64_t wanted =
      options.memory_bytes > 0 ? limit : std::min(limit, std::max(kEnough, needed * expert_bytes));
  const std::int64_t layer_bytes = shape.experts * expert_bytes;
  plan.layers = static_cast<int>(std::clamp<std::int64_t>(wanted / layer_bytes, 1, shape.layers));
  plan.stored = static_cast<int>(std::clamp<std::int64_t>(wanted / expert_bytes, needed, shape.experts));
  return plan;
}

bool lies_in_memory(const std::filesystem::path& directory) {
  struct statfs facts {};
  return ::statfs(directory.c_str(), &facts) == 0 && facts.f_type == TMPFS_MAGIC;
}

// Times of one kind of pass, one for each round.
struct Series {
  Routing routing;
  int rows;
  std::vector<double> s, woken;
};

std::vector<Series> series_of(const RouteDrawer& drawer, std::span<const int> widths) {
  std::vector<Series> all;
  for (const Routing routing : kRoutings) {
    for (const int rows : widths) {
      if (drawer.can(routing, rows)) all.push_back({routing, rows, {}, {}});
    }
  }
  return all;
}

// A pass through all layers, each with routes of its own. Adds the time and the experts of a layer.
void time_pass(RoutedLayers& layers, int count, const RouteDrawer& drawer, Pool& pool, const Rng& rng, Series& series) {
  std::vector<DrawnRoutes> routes;
  double woken = 0, s = 0;
  for (int layer = 0; layer < count; ++layer) {
    routes.push_back(drawer.draw(series.routing, series.rows, rng.fork(static_cast<std::uint64_t>(layer))));
    woken += routes.back().woken;
  }
  pool.for_each(pool.threads(), [](std::int64_t) {});  // in a model, the threads are awake when a layer begins
  for (int layer = 0; layer < count; ++layer) {
    s += layers.apply(layer, routes[static_cast<std::size_t>(layer)].chosen, series.rows);
  }
  series.s.push_back(s / count);
  series.woken.push_back(woken / count);
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double median_of(const std::vector<double>& values, std::span<const std::size_t> chosen) {
  std::vector<double> some;
  for (const std::size_t i : chosen) some.push_back(values[i]);
  return median(std::move(some));
}

ProbePoint point_of(const Series& series, std::int64_t expert_bytes) {
  const double woken = mean(series.woken);
  return {series.routing, series.rows, woken, woken * static_cast<double>(expert_bytes), median_interval(series.s)};
}

LayerTime time_of(const RoutedShape& shape, std::int64_t expert_bytes, int rows, double woken, double s) {
  return {.bytes = woken * static_cast<double>(expert_bytes),
          .repeats = rows * shape.experts_per_token - woken,
          .rows = rows,
          .s = s};
}

std::vector<LayerTime> times_of(const Probe& found, const std::vector<Series>& all,
                                std::span<const std::size_t> rounds) {
  std::vector<LayerTime> times;
  for (const Series& series : all) {
    times.push_back(
        time_of(found.shape, found.expert_bytes, series.rows, mean(series.woken), median_of(series.s, rounds)));
  }
  return times;
}

void fit(const std::vector<Series>& all, Probe& found) {
  const std::size_t rounds = all.front().s.size();
  const auto interval_of = [&](double LayerCosts::*cost) {
    return bootstrap(rounds, [&](auto chosen) { return fit_layer(times_of(found, all, chosen)).*cost; });
  };
  found.costs.byte_s = interval_of(&LayerCosts::byte_s);
  found.costs.slot_s = interval_of(&LayerCosts::slot_s);
  found.costs.switch_s = interval_of(&LayerCosts::switch_s);
  found.costs.fixed_s = interval_of(&LayerCosts::fixed_s);
  const LayerCosts costs{found.costs.byte_s.value, found.costs.slot_s.value, found.costs.switch_s.value,
                         found.costs.fixed_s.value};
  std::vector<double> errors;
  for (const ProbePoint& point : found.points) {
    const LayerTime time = time_of(found.shape, found.expert_bytes, point.rows, point.woken, point.s.value);
    errors.push_back(std::abs(costs.seconds(time) / time.s - 1));
  }
  found.costs.worst_error = *std::ranges::max_element(errors);
  found.costs.median_error = median(errors);

  std::vector<Series> disjoint;
  for (const Series& series : all) {
    if (series.routing == Routing::disjoint && series.rows > 1) disjoint.push_back(series);
  }
  if (disjoint.size() > 1) {
    found.slope_bytes_per_s =
        bootstrap(rounds, [&](auto chosen) { return slope_bytes_per_s(times_of(found, disjoint, chosen)); });
  }
}

// Operations per second of many rows that all choose the same experts.
double measure_flops(RoutedLayers& layers, const Probe& found) {
  constexpr int kRounds = 3;
  std::vector<double> rates;
  const RouteDrawer drawer(found.shape, found.stored, {});
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<int> chosen = drawer.draw(Routing::same, kManyRows, Rng(found.options.seed).fork(99)).chosen;
    const double matrices = found.shape.gated ? 3 : 2;
    const double operations =
        2 * matrices * found.shape.hidden * found.shape.width * found.shape.experts_per_token * kManyRows;
    rates.push_back(operations / layers.apply(0, chosen, kManyRows));
  }
  return median(rates);
}

RouteDrawer drawer_of(const Probe& found) {
  const RoutedShape& shape = found.shape;
  return {shape, found.stored, found.natural.mapped(shape.experts, shape.experts_per_token)};
}

void expect_going_on(const ProbeWatcher& watcher) {
  if (watcher.stop()) throw Error("stopped before all was measured: nothing is kept");
}

void measure_memory(const RandomExperts& files, const EngineOptions& options, std::span<const int> widths,
                    const ProbeWatcher& watcher, Probe& found) {
  EngineOptions resident = options;
  resident.expert_cache = "100%";
  Engine engine(resident);
  RoutedLayers layers(files, kManyRows, engine);
  found.threads = engine.threads();
  found.instruction_set = engine.cpu_level();
  found.packed_expert_bytes = layers.store().sizes().slot_bytes;
  for (int layer = 0; layer < files.layers();
       ++layer) {  // a store of many bytes packs an expert when it is first wanted
    std::vector<int> all_of_layer(static_cast<std::size_t>(files.stored()));
    std::iota(all_of_layer.begin(), all_of_layer.end(), layers.first_in_store(layer));
    layers.store().bring(all_of_layer);
  }
  const RouteDrawer drawer = drawer_of(found);
  std::vector<Series> all = series_of(drawer, widths);
  std::vector<Series> warm = all;
  const Rng rng(found.options.seed);
  const std::int64_t buffer = std::max<std::int64_t>(256 << 20, 2 * found.machine.last_level_cache_bytes);
  ReadMeter memory(engine.pool(), buffer);
  for (Series& series : warm) time_pass(layers, files.layers(), drawer, engine.pool(), rng.fork(0), series);

  std::vector<double> rates, shares;
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto begin = Clock::now();
  while (found.rounds < kLeastRounds ||
         (found.rounds < kMostRounds && seconds_since(begin) < found.options.patience_s)) {
    const Rng round = rng.fork(static_cast<std::uint64_t>(++found.rounds));
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[static_cast<std::size_t>(round.uniform(i) * static_cast<double>(i))]);
    }
    for (const std::size_t i : order) {
      expect_going_on(watcher);
      time_pass(layers, files.layers(), drawer, engine.pool(), round.fork(i), all[i]);
    }
    rates.push_back(memory.bytes_per_s());
    const double one_row = static_cast<double>(found.shape.experts_per_token * found.expert_bytes);
    if (all.front().rows == 1) shares.push_back(one_row / rates.back() / all.front().s.back());
  }
  found.read_bytes_per_s = median_interval(rates);
  if (!shares.empty()) found.roofline_share = median_interval(shares);
  for (const Series& series : all) found.points.push_back(point_of(series, found.expert_bytes));
  fit(all, found);
  found.flops_per_s = measure_flops(layers, found);
}

// Layers whose experts all come from disk, `buffers` of them at a time if that many are read at once.
class FromDisk {
 public:
  FromDisk(const RandomExperts& files, int most_rows, const EngineOptions& options, const std::string& budget)
      : engine_(with(options, budget)), layers_(files, most_rows, engine_) {}

  RoutedLayers& layers() { return layers_; }
  ExpertStore& store() { return layers_.store(); }
  Pool& pool() { return engine_.pool(); }

 private:
  static EngineOptions with(EngineOptions options, const std::string& budget) {
    options.expert_cache = budget;
    options.expert_policy = "lru";
    options.expert_prefetch = "none";
    return options;
  }

  Engine engine_;
  RoutedLayers layers_;
};

// A layer pass some of whose experts are missing, and the same again, when they have come.
void measure_loads(FromDisk& disk, const RouteDrawer& drawer, double patience_s, const ProbeWatcher& watcher,
                   Probe& found) {
  constexpr double kLongest_s = 1;  // of one measurement
  ExpertStore& store = disk.store();
  const int per_token = found.shape.experts_per_token;
  const Rng rng = Rng(found.options.seed).fork(7);
  std::vector<int> touched(static_cast<std::size_t>(store.sizes().most_at_once));
  std::iota(touched.begin(), touched.end(), disk.layers().first_in_store(0));
  store.bring(touched);  // the first use of memory takes longer than any other
  std::uint64_t draws = 0;
  double expected_s = 0;
  for (int count = 1; count <= store.sizes().most_at_once && expected_s < kLongest_s; count += std::max(1, count / 2)) {
    const int rows = (count + per_token - 1) / per_token;
    if (!drawer.can(Routing::disjoint, rows)) break;
    std::vector<double> times, packing;
    const auto begin = Clock::now();
    do {
      expect_going_on(watcher);
      const Rng draw = rng.fork(++draws);
      const DrawnRoutes routes = drawer.draw(Routing::disjoint, rows, draw);
      const int layer = static_cast<int>(draw.uniform(0) * found.layers);
      std::vector<int> there(routes.chosen.begin() + count, routes.chosen.end());
      for (int& expert : there) expert += disk.layers().first_in_store(layer);
      store.forget();
      store.bring(there);
      const ExpertTraffic before = store.traffic();
      const double missing_s = disk.layers().apply(layer, routes.chosen, rows);
      const ExpertTraffic traffic = store.traffic() - before;
      SPECDEC_ASSERT(traffic.loads == count);
      times.push_back(missing_s - disk.layers().apply(layer, routes.chosen, rows));
      packing.push_back(traffic.pack_s / traffic.stall_s);
    } while (times.size() < 5 || (times.size() < 100 && seconds_since(begin) < patience_s));
    expected_s = 2 * median(times);
    found.loads.push_back({count, store.room().load_buffers, median_interval(times), mean(times), median(packing)});
  }
}

void measure_disk(const RandomExperts& files, const EngineOptions& options, std::span<const int> widths,
                  const ProbeWatcher& watcher, Probe& found) {
  constexpr int kMostRows = 8;
  std::vector<int> narrow;
  std::ranges::copy_if(widths, std::back_inserter(narrow), [](int rows) { return rows <= kMostRows; });
  if (narrow.empty()) narrow.push_back(widths.front());
  const auto least = std::make_unique<FromDisk>(files, narrow.back(), options, "0.0001MB");
  if (least->store().all_packed()) {
    found.notes.emplace_back("from disk is left out: all experts of a pass fit the least that a store holds");
    return;
  }
  const RouteDrawer drawer = drawer_of(found);
  found.reads = least->store().reads();
  const std::int64_t buffer = least->store().sizes().buffer_bytes;
  const double patience_s = found.options.patience_s / 80;  // for each number of loads
  measure_loads(*least, drawer, patience_s, watcher, found);
  std::unique_ptr<FromDisk> most;
  for (const int buffers : {4, 8, 16}) {
    constexpr int kShareOfBudget = 8;  // one of so many buffers is for loads (core/expert_room.h)
    auto wider = std::make_unique<FromDisk>(
        files, narrow.back(), options,
        fmt::format("{}MB", static_cast<double>(kShareOfBudget * buffers * buffer + buffer) / 1e6));
    if (wider->store().all_packed() || wider->store().room().load_buffers != buffers) break;
    measure_loads(*wider, drawer, patience_s, watcher, found);
    most = std::move(wider);
  }
  FromDisk& disk = most != nullptr ? *most : *least;
  std::vector<LayerTime> reads;
  for (const ProbeLoad& load : found.loads) {
    if (load.buffers == disk.store().room().load_buffers && load.experts > 1) {
      reads.push_back({.bytes = static_cast<double>(load.experts * found.expert_bytes), .s = load.s.value});
    }
  }
  if (reads.size() > 1) found.disk_bytes_per_s = slope_bytes_per_s(reads);

  std::vector<Series> all = series_of(drawer, narrow);
  const auto begin = Clock::now();
  const Rng rng = Rng(found.options.seed).fork(8);
  for (std::uint64_t round = 0; round < 3 || (round < 20 && seconds_since(begin) < found.options.patience_s / 2);
       ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      expect_going_on(watcher);
      disk.store().forget();
      time_pass(disk.layers(), 1, drawer, disk.pool(), rng.fork(round).fork(i), all[i]);
    }
  }
  for (const Series& series : all) found.from_disk.push_back(point_of(series, found.expert_bytes));
}

}  // namespace

const ProbePoint* Probe::at(Routing routing, int rows) const {
  const auto same = [&](const ProbePoint& point) { return point.routing == routing && point.rows == rows; };
  const auto point = std::ranges::find_if(points, same);
  return point != points.end() ? &*point : nullptr;
}

Probe probe(const RoutedShape& shape, const ProbeOptions& options, const OverlapCurve& natural,
            const EngineOptions& engine, const ProbeWatcher& watcher) {
  SPECDEC_ASSERT(!options.widths.empty() && std::ranges::is_sorted(options.widths) && options.widths.front() >= 1 &&
                 options.widths.back() <= kManyRows);
  Probe found;
  found.options = options;
  found.shape = shape;
  found.natural = natural;
  found.machine = this_machine();
  const Encoding& format = find_encoding(options.format);
  format.expect_groups(fmt::format("experts of {}", shape.name), shape.hidden);
  format.expect_groups(fmt::format("experts of {}", shape.name), shape.width);
  found.expert_bytes = stored_expert_bytes(shape, format);
  const std::filesystem::path directory =
      options.directory.empty() ? std::filesystem::temp_directory_path() : options.directory;
  const Plan plan = plan_for(shape, found.expert_bytes, options, directory, found.notes);
  found.stored = plan.stored;
  found.layers = plan.layers;
  found.costs.told_apart = plan.widths.front() == 1 && plan.widths.size() >= 3;
  Pool pool(Engine(engine).threads());
  watcher.say(fmt::format("writing {:.2f} GB of experts to {}",
                          static_cast<double>(found.expert_bytes * plan.stored * plan.layers) / 1e9,
                          directory.string()));
  const RandomExperts files(shape, plan.stored, plan.layers, format, directory, options.seed, pool);
  watcher.say("measuring passes from memory");
  measure_memory(files, engine, plan.widths, watcher, found);
  if (options.from_disk && lies_in_memory(directory)) {
    found.notes.push_back(fmt::format("from disk is left out: {} lies in memory (tmpfs); name a directory on a disk",
                                      directory.string()));
  } else if (options.from_disk) {
    watcher.say("measuring passes from disk");
    measure_disk(files, engine, plan.widths, watcher, found);
  }
  return found;
}

HardwareProfile hardware_of(const Probe& found) {
  if (!found.costs.told_apart) {
    throw Error("no profile of this machine can be made: one row and two larger widths are needed to tell costs apart");
  }
  const auto known = [](double value, double low, double high, std::string source) {
    return Figure{.value = value,
                  .known = true,
                  .low = std::min(low, value),
                  .high = std::max(high, value),
                  .source = std::move(source)};
  };
  const auto assumed = [](double value, double low, double high, std::string source) {
    return Figure{.value = value, .known = false, .low = low, .high = high, .source = std::move(source)};
  };
  const auto expert = static_cast<double>(found.expert_bytes);
  const ProbeCosts& costs = found.costs;
  const double reading = expert * costs.byte_s.value;
  const auto share = [](double part, double of) { return of > 0 ? part / of : 0; };
  const std::string layer = fmt::format("specdec probe: {} experts, {}", found.shape.name, found.options.format);

  HardwareProfile machine;
  machine.name = "this-machine";
  machine.title = fmt::format("{}, {} cores", found.machine.cpu, found.machine.cores);
  machine.engine = fmt::format("specdec {}, {}, {} threads", version(), found.instruction_set, found.threads);
  const auto memory = static_cast<double>(found.machine.memory_bytes);
  machine.memory_bytes = known(memory, memory, memory, "/proc/meminfo");
  machine.usable_memory_bytes = assumed(0.8 * memory, 0.6 * memory, 0.95 * memory, "less what the system takes");
  machine.peak_bytes_per_s = known(found.read_bytes_per_s.value, found.read_bytes_per_s.low,
                                   found.read_bytes_per_s.high, "specdec probe: read from a buffer larger than caches");
  const Interval rate = inverse(costs.byte_s);
  const Interval& peak = found.read_bytes_per_s;
  machine.effective_bytes_per_s =
      rate.value > 0 && rate.low > 0
          ? known(rate.value, rate.low, std::isfinite(rate.high) ? rate.high : std::max(peak.high, rate.value),
                  layer + ", experts and the first row of each")
          : assumed(peak.value, peak.low, peak.high, "the bytes of experts cost nothing here: they fit the cache");
  machine.flops_per_s = known(found.flops_per_s, found.flops_per_s / 1.2, found.flops_per_s * 1.2,
                              fmt::format("{}, {} rows on the same experts", layer, kManyRows));
  machine.tile_rows = assumed(8, 4, 16, "rows that kernels take at once");
  machine.pass_s = assumed(2e-5, 5e-6, 1e-4, "no whole pass was measured; specdec predict --calibrate fits it");
  machine.dispatch_s = assumed(2 * costs.fixed_s.value, costs.fixed_s.low, std::max(4 * costs.fixed_s.high, 1e-6),
                               fmt::format("{}: {:.1f} us for its experts, and as much again for the rest of a layer",
                                           layer, 1e6 * costs.fixed_s.value));
  machine.row_s = assumed(5e-6, 1e-6, 5e-5, "attention was not measured; specdec predict --calibrate fits it");
  machine.repeat_share = known(share(costs.slot_s.value, reading), share(costs.slot_s.low, reading),
                               share(costs.slot_s.high, reading), layer + ", a further row on an expert");
  const double row = reading * found.shape.experts_per_token;
  machine.switch_share = known(share(costs.switch_s.value, row), share(costs.switch_s.low, row),
                               share(costs.switch_s.high, row), layer + ", what more than one row adds once");
  machine.switch_rows = known(2, 2, 2, layer + ", as switch_share was fitted");
  machine.sparse_s = assumed(0, 0, 1e-4, "sparse attention was not measured; specdec predict --calibrate fits it");
  machine.step_s = assumed(0, 0, 1e-3, "no whole step was measured; specdec predict --calibrate fits it");
  machine.link_bytes_per_s = assumed(1.1e9, 1e8, 1.2e10, "no other machine was looked at");
  machine.link_latency_s = assumed(1e-4, 1e-5, 1e-3, "no other machine was looked at");
  machine.disk_bytes_per_s = found.disk_bytes_per_s > 0
                                 ? known(found.disk_bytes_per_s, found.disk_bytes_per_s / 1.5,
                                         found.disk_bytes_per_s * 1.5, layer + ", read " + found.reads)
                                 : assumed(1e9, 1e8, 1e10, "not measured");
  return machine;
}

}  // namespace specdec

// The probe: shapes and routes are what they are said to be, costs that made the times are found again, and a small
// layer is measured from end to end.
#include "experiments/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/probe_report.h"
#include "core/error.h"
#include "core/files/json.h"
#include "core/traffic.h"
#include "experiments/known_models.h"
#include "experiments/load_times.h"
#include "experiments/routed_layers.h"
#include "tests/error_line.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

RoutedShape shape_of(const std::string& model) {
  return routed_shape_of(*inspect_known({.model = model}).inventory, model);
}

TEST(RoutedShape, IsThatOfThePublishedModels) {
  struct Known {
    const char* model;
    int hidden, width, experts, per_token, layers;
    bool gated;
  };
  // shared/reference/models.md, section 1.
  for (const Known& known : {Known{"glm-5.2", 6144, 2048, 256, 8, 75, true},
                             {"kimi-k2.5", 7168, 2048, 384, 8, 60, true},
                             {"qwen3-30b-a3b", 2048, 768, 128, 8, 48, true},
                             {"qwen3.5-35b-a3b", 2048, 512, 256, 8, 40, true},
                             {"nemotron-3-super", 1024, 2688, 512, 22, 40, false},
                             {"gpt-oss-20b", 2880, 2880, 32, 4, 24, true},
                             {"mixtral-8x7b", 4096, 14336, 8, 2, 32, true}}) {
    SCOPED_TRACE(known.model);
    const RoutedShape shape = shape_of(known.model);
    EXPECT_EQ(shape.hidden, known.hidden);
    EXPECT_EQ(shape.width, known.width);
    EXPECT_EQ(shape.experts, known.experts);
    EXPECT_EQ(shape.experts_per_token, known.per_token);
    EXPECT_EQ(shape.layers, known.layers);
    EXPECT_EQ(shape.gated, known.gated);
  }
  expect_error([] { shape_of("llama-3.2-3b"); }, {"llama-3.2-3b", "no routed experts"});
}

TEST(RoutedShape, EveryKnownMixtureHasOne) {
  for (const NamedText& known : model_configs()) {
    const Inspection found = inspect_known({.model = std::string(known.name)});
    if (found.inventory && found.inventory->experts > 0) {
      EXPECT_GT(shape_of(std::string(known.name)).width, 0) << known.name;
    }
  }
}

const RoutedShape kSmall{"small", 64, 32, 32, 4, 2, true};

int distinct(const std::vector<int>& chosen) { return static_cast<int>(std::set(chosen.begin(), chosen.end()).size()); }

TEST(Routes, AreWhatTheirNamesSay) {
  constexpr int kRows = 5, kStored = 20;
  std::vector<double> natural{4, 6.5, 8.25, 9.5, 10.5};
  const RouteDrawer drawer(kSmall, kStored, natural);
  double uniform = 0, shared = 0;
  constexpr int kDraws = 4000;
  for (int draw = 0; draw < kDraws; ++draw) {
    const Rng rng = Rng(3).fork(static_cast<std::uint64_t>(draw));
    for (const Routing routing : kRoutings) {
      const DrawnRoutes routes = drawer.draw(routing, kRows, rng);
      ASSERT_EQ(std::ssize(routes.chosen), kRows * 4);
      for (int row = 0; row < kRows; ++row) {
        const std::vector<int> of_row(routes.chosen.begin() + row * 4, routes.chosen.begin() + row * 4 + 4);
        ASSERT_TRUE(std::ranges::is_sorted(of_row));
        ASSERT_EQ(distinct(of_row), 4);
        ASSERT_GE(of_row.front(), 0);
        ASSERT_LT(of_row.back(), kStored);
      }
      ASSERT_EQ(distinct(routes.chosen), routes.woken);
      switch (routing) {
        case Routing::same:
          EXPECT_EQ(routes.woken, 4);
          break;
        case Routing::disjoint:
          EXPECT_EQ(routes.woken, 20);
          break;
        case Routing::uniform:
          uniform += routes.woken;
          break;
        case Routing::natural:
          shared += routes.woken;
      }
    }
  }
  EXPECT_NEAR(uniform / kDraws, uniform_union(32, 4, kRows), 0.1);
  EXPECT_NEAR(shared / kDraws, natural.back(), 0.05);
  EXPECT_FALSE(drawer.can(Routing::disjoint, 6)) << "needs more experts than are stored";
  EXPECT_FALSE(drawer.can(Routing::natural, 6)) << "the curve ends at 5 rows";
  EXPECT_TRUE(drawer.can(Routing::same, 64));
}

TEST(Routes, UseEveryStoredExpertAlike) {
  const RouteDrawer drawer(kSmall, 20, {});
  std::vector<int> uses(20);
  for (int draw = 0; draw < 2000; ++draw) {
    for (const int expert : drawer.draw(Routing::same, 1, Rng(5).fork(static_cast<std::uint64_t>(draw))).chosen) {
      ++uses[static_cast<std::size_t>(expert)];
    }
  }
  for (const int count : uses) EXPECT_NEAR(count, 400, 80);
}

std::vector<LayerTime> times_of(const LayerCosts& costs, double noise) {
  std::vector<LayerTime> times;
  const Rng rng(11);
  for (const int rows : {1, 2, 3, 4, 6, 8, 12, 16}) {
    for (const double share : {0.0, 0.4, 1.0}) {  // of the experts of further rows that are new
      const double woken = 8 + share * 8 * (rows - 1);
      LayerTime time{.bytes = woken * 2e6, .repeats = 8.0 * rows - woken, .rows = rows, .s = 0};
      time.s = costs.seconds(time) * (1 + noise * (rng.uniform(times.size()) - 0.5));
      times.push_back(time);
    }
  }
  return times;
}

TEST(ProbeFit, FindsTheCostsThatMadeTheTimes) {
  const LayerCosts made{.byte_s = 4e-11, .slot_s = 2e-5, .switch_s = 1e-4, .fixed_s = 3e-5};
  const LayerCosts exact = fit_layer(times_of(made, 0));
  EXPECT_NEAR(exact.byte_s / made.byte_s, 1, 1e-6);
  EXPECT_NEAR(exact.slot_s / made.slot_s, 1, 1e-6);
  EXPECT_NEAR(exact.switch_s / made.switch_s, 1, 1e-6);
  EXPECT_NEAR(exact.fixed_s / made.fixed_s, 1, 1e-6);
  const LayerCosts noisy = fit_layer(times_of(made, 0.1));
  EXPECT_NEAR(noisy.byte_s / made.byte_s, 1, 0.05);
  EXPECT_NEAR(noisy.slot_s / made.slot_s, 1, 0.1);
  const LayerCosts bytes_alone = fit_layer(times_of({.byte_s = 4e-11}, 0.05));
  EXPECT_NEAR(bytes_alone.byte_s / 4e-11, 1, 0.05);
  for (const double cost : {bytes_alone.slot_s, bytes_alone.switch_s, bytes_alone.fixed_s}) EXPECT_GE(cost, 0);
}

TEST(ProbeFit, SlopeLeavesTheFixedPartOut) {
  std::vector<LayerTime> times;
  for (const double bytes : {1e6, 2e6, 4e6, 8e6}) times.push_back({.bytes = bytes, .s = 1e-3 + bytes / 2e9});
  EXPECT_NEAR(slope_bytes_per_s(times), 2e9, 1e3);
}

// What rows give does not depend on who else is in the pass, and experts without a gate are relu squared.
TEST(RoutedLayers, ARowIsBitForBitItself) {
  const TemporaryDirectory directory;
  for (const bool gated : {true, false}) {
    for (const char* format : {"affine4g32", "bf16"}) {
      RoutedShape shape = kSmall;
      shape.gated = gated;
      Engine engine({.threads = 2});
      const RandomExperts files(shape, 20, 2, find_encoding(format), directory.path(), 1, engine.pool());
      RoutedLayers layers(files, 3, engine);
      const std::vector<int> chosen{0, 3, 5, 9, 1, 3, 8, 11, 0, 3, 5, 19};
      layers.apply(1, chosen, 3);
      const std::vector<float> together(layers.sums().begin(), layers.sums().begin() + 64);
      layers.apply(1, std::span(chosen).first(4), 1);
      const std::vector<float> alone(layers.sums().begin(), layers.sums().begin() + 64);
      EXPECT_EQ(together, alone);
      EXPECT_GT(std::ranges::count_if(alone, [](float x) { return x != 0; }), 32);
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

const ProbeWatcher kPatient{[](std::string_view) {}, [] { return false; }};

ProbeOptions quick(const std::filesystem::path& directory) {
  ProbeOptions options;
  options.format = "affine4g32";
  options.widths = {1, 2, 4};
  options.directory = directory;
  options.patience_s = 0.2;
  return options;
}

TEST(Probe, MeasuresALayerFromMemoryAndFromDisk) {
  const TemporaryDirectory directory;
  const OverlapCurve natural = find_overlap("demo-moe");
  const Probe found = probe(kSmall, quick(directory.path()), natural, {.threads = 1}, kPatient);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path())) << "experts are left behind";
  EXPECT_EQ(found.stored, 32);
  EXPECT_EQ(found.layers, 2);
  EXPECT_GE(found.rounds, 5);
  EXPECT_EQ(found.points.size(), kRoutings.size() * 3);
  for (const ProbePoint& point : found.points) {
    EXPECT_GT(point.s.value, 0);
    EXPECT_LE(point.s.low, point.s.value);
    EXPECT_LE(point.s.value, point.s.high);
    EXPECT_DOUBLE_EQ(point.bytes, point.woken * static_cast<double>(found.expert_bytes));
  }
  EXPECT_EQ(found.at(Routing::disjoint, 4)->woken, 16);
  EXPECT_EQ(found.at(Routing::same, 4)->woken, 4);
  EXPECT_GT(found.read_bytes_per_s.value, 0);
  EXPECT_FALSE(found.loads.empty());
  EXPECT_FALSE(found.reads.empty());
  EXPECT_GT(found.flops_per_s, 0);

  const HardwareProfile machine = hardware_of(found);
  const std::filesystem::path file = directory.write("machine.json", json_of(machine));
  EXPECT_EQ(find_hardware(file.string()).effective_bytes_per_s.value, machine.effective_bytes_per_s.value);

  const ProbeReport report{"probe", "today", {}, found};
  const std::filesystem::path json = directory.write("probe.json", json_of(report));
  const nlohmann::json read = parse_json(json_of(report), "json");
  EXPECT_EQ(read["points"].size(), found.points.size());
  EXPECT_GT(read_load_times(std::array{json}, found.expert_bytes).seconds(3, 16), 0);
  expect_error([&] { read_load_times(std::array{json}, 2 * found.expert_bytes); }, {"probe.json", "--format"});
  EXPECT_NE(summary_of(report).find("disjoint"), std::string::npos);
  EXPECT_NE(picture_of(found).find("</svg>"), std::string::npos);
}

TEST(Probe, LeavesNothingWhenItIsStopped) {
  const TemporaryDirectory directory;
  int asked = 0;
  const ProbeWatcher hurried{[](std::string_view) {}, [&] { return ++asked > 20; }};
  expect_error([&] { probe(kSmall, quick(directory.path()), find_overlap("demo-moe"), {.threads = 1}, hurried); },
               {"stopped"});
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(Probe, SaysWhatDoesNotFit) {
  const TemporaryDirectory directory;
  const OverlapCurve natural = find_overlap("demo-moe");
  const auto run = [&](const ProbeOptions& options) {
    return probe(kSmall, options, natural, {.threads = 1}, kPatient);
  };
  ProbeOptions options = quick(directory.path());
  options.format = "affine4g128";
  expect_error([&] { run(options); }, {"small", "128"});
  options = quick(directory.path());
  options.memory_bytes = 1000;
  expect_error([&] { run(options); }, {"4 experts", "--memory"});
  options.memory_bytes = 8 * stored_expert_bytes(kSmall, find_encoding("affine4g32"));
  const Probe found = run(options);
  EXPECT_EQ(found.at(Routing::disjoint, 4), nullptr);
  EXPECT_NE(found.at(Routing::disjoint, 2), nullptr);
  ASSERT_FALSE(found.notes.empty());
  EXPECT_NE(found.notes.front().find("4 rows"), std::string::npos);
  EXPECT_FALSE(found.costs.told_apart);
  expect_error([&] { hardware_of(found); }, {"two larger widths"});
}

TEST(LoadTimes, AreLinearBetweenWhatWasMeasured) {
  LoadTimes times;
  times.add(1, 2, 10);
  times.add(1, 16, 1);
  times.add(4, 16, 2.5);
  times.add(8, 16, 4);
  EXPECT_EQ(times.seconds(0, 16), 0);
  EXPECT_DOUBLE_EQ(times.seconds(1, 16), 1);
  EXPECT_DOUBLE_EQ(times.seconds(2, 16), 1.5);
  EXPECT_DOUBLE_EQ(times.seconds(6, 12), 3.25);
  EXPECT_DOUBLE_EQ(times.seconds(16, 16), 7);
  LoadTimes falling;
  falling.add(1, 2, 5);
  falling.add(2, 2, 1);
  EXPECT_DOUBLE_EQ(falling.seconds(100, 2), 1) << "more never come sooner";
  EXPECT_DOUBLE_EQ(times.seconds(2, 3), 20);
  EXPECT_DOUBLE_EQ(times.seconds(std::array<std::int64_t, 3>{9, 2, 4}, 16), 2 * 1 + 4 * 1.5);
  expect_error([] { read_load_times(std::array{std::filesystem::path("/nowhere.json")}, 1); }, {"/nowhere.json"});
}

TEST(ProbeCommand, RunsAndRefuses) {
  const TemporaryDirectory directory;
  const auto place = [&](const char* name) { return (directory.path() / name).string(); };
  const ProgramResult made =
      run_program({SPECDEC_PROGRAM, "probe", "--like", SPECDEC_SOURCE_DIR "/models/demo-moe/config.json", "--widths",
                   "1,2,4", "--seconds", "0.2", "--threads", "1", "--directory", directory.path().string(), "--svg",
                   place("p.svg"), "--save-hardware", place("m.json"), "--json", place("p.json")});
  EXPECT_EQ(made.exit_code, 0) << made.output;
  for (const char* said : {"demo-moe: a row chooses 6 of 64 experts in 11 layers", "further disjoint rows come at"}) {
    EXPECT_NE(made.output.find(said), std::string::npos) << made.output;
  }
  using Words = std::vector<std::string>;
  for (const Words& wrong :
       {Words{"--like", "nowhere"}, Words{"--format", "int3"}, Words{"--widths", "0"}, Words{"--widths", "4,2"},
        Words{"--natural", "nothing"}, Words{"--memory", "much"}, Words{"--seconds", "-1"},
        Words{"--directory", "/nowhere"}, Words{"--like", "llama-3.2-3b"}}) {
    std::vector<std::string> command{SPECDEC_PROGRAM, "probe", "--memory-only"};
    command.insert(command.end(), wrong.begin(), wrong.end());
    const ProgramResult refused = run_program(command);
    EXPECT_NE(refused.exit_code, 0) << wrong.front();
    EXPECT_EQ(std::ranges::count(refused.output, '\n'), 1) << refused.output;
  }
}

}  // namespace
}  // namespace specdec

#include "verify/cost.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/traffic.h"
#include "verify/calibrate.h"

namespace specdec {
namespace {

Figure exactly(double value) {
  return {.value = value, .known = true, .low = value, .high = value, .source = "made up"};
}

// 10 layers with 16 experts, 4 per token, of 1 GB per layer and expert; 20 GB besides; 100 GB/s.
Scenario made_up() {
  Scenario scenario;
  scenario.target = {.layers = 10, .hidden = 1000, .routed_layers = 10, .experts = 16, .experts_per_token = 4};
  scenario.target.fixed_bytes = 20e9;
  scenario.target.expert_bytes = 10e9;
  scenario.target.total_bytes = 180e9;
  scenario.target.cache_bytes = 1e9;
  scenario.target.fixed_parameters = 10e9;
  scenario.target.expert_parameters = 5e9;
  HardwareProfile& machine = scenario.machine;
  machine.memory_bytes = machine.usable_memory_bytes = exactly(200e9);
  machine.peak_bytes_per_s = exactly(125e9);
  machine.effective_bytes_per_s = exactly(100e9);
  machine.flops_per_s = exactly(1e12);
  machine.tile_rows = exactly(8);
  machine.pass_s = exactly(0.003);
  machine.dispatch_s = exactly(0.002);
  machine.row_s = exactly(0.001);
  machine.repeat_share = exactly(0.5);
  machine.switch_share = exactly(0.1);
  machine.switch_rows = exactly(2);
  machine.sparse_s = machine.step_s = exactly(0);
  machine.disk_bytes_per_s = exactly(10e9);
  scenario.link.bytes_per_s = exactly(1e9);
  scenario.link.latency_s = exactly(1e-5);
  scenario.overlap.kind = Overlap::Kind::uniform;
  return scenario;
}

TEST(Union, UniformAsTheFormulaAndBetweenItsBounds) {
  Overlap overlap{.kind = Overlap::Kind::uniform};
  EXPECT_NEAR(union_of(overlap, 256, 8, 4), 30.53, 0.005);  // models.md, 2.3
  EXPECT_NEAR(union_of(overlap, 384, 8, 8), 59.52, 0.005);
  overlap.kind = Overlap::Kind::published;
  for (const auto& [experts, chosen] : {std::pair{256, 8}, {8, 2}, {32, 4}, {512, 22}}) {
    EXPECT_EQ(union_of(overlap, experts, chosen, 1), chosen);
    for (int rows = 2; rows <= 32; ++rows) {
      const double woken = union_of(overlap, experts, chosen, rows);
      EXPECT_GE(woken, chosen);
      EXPECT_LE(woken, uniform_union(experts, chosen, rows));
    }
  }
  EXPECT_NEAR(union_of(overlap, 64, 4, 2), 1.74 * 4, 0.15);  // GLM-4.7-Flash, measured: evidence.md, section 3
  EXPECT_NEAR(union_of(overlap, 256, 8, 8), 39.4, 2);        // Laguna XS 2.1
  EXPECT_NEAR(union_of(overlap, 256, 8, 15), 58.9, 1);
  EXPECT_NEAR(union_of(overlap, 32, 4, 8), 13, 1);  // gpt-oss-20b
  EXPECT_EQ(union_of(overlap, 0, 0, 4), 0);
}

TEST(Union, MeasuredIsTakenAndGoesOnAsUniformGrows) {
  const Overlap overlap{.kind = Overlap::Kind::measured, .measured = {4, 6}};
  EXPECT_EQ(union_of(overlap, 16, 4, 2), 6);
  EXPECT_NEAR(union_of(overlap, 16, 4, 3), 6 * uniform_union(16, 4, 3) / 7, 1e-9);
}

// One row: 20 GB + 4 x 10 GB + 1 GB at 100 GB/s = 0.61 s; 10 layers at 2 ms; 3 ms. Two rows: 7 experts, 1 again at half
// its price, 0.1 x 0.6 s for other kernels, 10 ms for the second row.
TEST(Cost, IsTheSumOfItsTerms) {
  const Scenario scenario = made_up();
  const PassPrice one = pass_cost(scenario, 1), two = pass_cost(scenario, 2);
  EXPECT_NEAR(one.total(), 0.2 + 0.4 + 0.01 + 0.02 + 0.003, 1e-12);
  EXPECT_EQ(one.bytes, 60e9);
  EXPECT_NEAR(two.woken, 7, 1e-12);
  EXPECT_NEAR(two.of(Term::experts), 0.7, 1e-12);
  EXPECT_NEAR(two.of(Term::repeats), 0.05, 1e-12);
  EXPECT_NEAR(two.of(Term::kernels), 0.06, 1e-12);
  EXPECT_NEAR(two.of(Term::rows), 0.01, 1e-12);
  EXPECT_NEAR(two.total(), 0.2 + 0.7 + 0.05 + 0.06 + 0.01 + 0.01 + 0.02 + 0.003, 1e-12);
}

TEST(Cost, OtherKernelsFromSomeRowsOn) {
  Scenario scenario = made_up();
  scenario.machine.switch_rows = exactly(4);
  EXPECT_EQ(pass_cost(scenario, 3).of(Term::kernels), 0);
  EXPECT_NEAR(pass_cost(scenario, 4).of(Term::kernels), 0.06, 1e-12);
  scenario.machine.sparse_s = exactly(0.005);
  EXPECT_EQ(pass_cost(scenario, 3).of(Term::kernels), 0) << "no layer has sparse attention";
  scenario.target.sparse_layers = 8;
  EXPECT_EQ(pass_cost(scenario, 1).of(Term::kernels), 0);
  EXPECT_NEAR(pass_cost(scenario, 3).of(Term::kernels), 0.04, 1e-12);
}

TEST(Cost, AStepThatGuessesPaysForItOnce) {
  Scenario scenario = made_up();
  scenario.machine.step_s = exactly(0.1);
  EXPECT_NEAR(step_seconds(scenario, 4), pass_cost(scenario, 5).total(), 1e-12) << "guesses are free, in all";
  scenario.drafting.kind = Drafting::Kind::free;
  EXPECT_NEAR(step_seconds(scenario, 4), pass_cost(scenario, 5).total() + draft_seconds(scenario, 4) + 0.1, 1e-12);
  EXPECT_NEAR(step_seconds(scenario, 0), pass_cost(scenario, 1).total(), 1e-12);
}

TEST(Cost, SeveralMachinesShareBytesAndPayForMessages) {
  Scenario scenario = made_up();
  scenario.machines = 2;
  const double message = 1e-5 + 2 * 1000 * 2 / 1e9;  // two rows of 1000 values of two bytes
  PassPrice cost = pass_cost(scenario, 2);
  EXPECT_NEAR(cost.of(Term::fixed), 0.1, 1e-12);
  EXPECT_NEAR(cost.of(Term::experts), 0.35, 1e-12);
  EXPECT_NEAR(cost.of(Term::links), 20 * message, 1e-12);
  EXPECT_NEAR(cost.of(Term::dispatch), 0.02, 1e-12);
  scenario.machines = 8;  // three doublings
  EXPECT_NEAR(pass_cost(scenario, 2).of(Term::links), 20 * (message + 2e-5), 1e-12);
  scenario.machines = 2;
  scenario.parallel = Parallel::pipeline;
  cost = pass_cost(scenario, 2);
  EXPECT_NEAR(cost.of(Term::fixed), 0.2, 1e-12);
  EXPECT_NEAR(cost.of(Term::links), 2 * message, 1e-12);
  scenario.parallel = Parallel::expert;
  cost = pass_cost(scenario, 2);
  EXPECT_NEAR(cost.of(Term::fixed), 0.2, 1e-12);
  EXPECT_GT(cost.of(Term::experts), 0.35) << "the machine that has most of the experts";
  EXPECT_LT(cost.of(Term::experts), 0.7);
}

// A row's hit rate counts experts that the row before brought; in one pass these are the shared ones.
TEST(Cost, SharedExpertsSaveNoLoad) {
  Scenario scenario = made_up();
  scenario.hit_rate = 0.5;
  EXPECT_NEAR(pass_cost(scenario, 1).of(Term::storage), 0.5 * 40e9 / 10e9, 1e-9);
  EXPECT_NEAR(pass_cost(scenario, 2).of(Term::storage), 0.5 * 80e9 / 10e9, 1e-9);
  scenario.hit_rate = 0;
  EXPECT_NEAR(pass_cost(scenario, 2).of(Term::storage), 70e9 / 10e9, 1e-9) << "each once";
}

TEST(Cost, ADrafterIsPricedForEachGuess) {
  Scenario scenario = made_up();
  EXPECT_EQ(draft_seconds(scenario, 4), 0);
  scenario.drafting.kind = Drafting::Kind::model;
  scenario.drafting.traffic = {.layers = 2, .hidden = 100};
  scenario.drafting.traffic.fixed_bytes = 1e9;
  const double one = 0.01 + 2 * 0.002 + 0.003;
  EXPECT_NEAR(draft_seconds(scenario, 4), 4 * one, 1e-12);
  EXPECT_NEAR(step_seconds(scenario, 4), 4 * one + pass_cost(scenario, 5).total(), 1e-12);
  scenario.drafting.kind = Drafting::Kind::block;
  EXPECT_NEAR(draft_seconds(scenario, 4), one + 0.1 * 0.01 + 3 * 2 * 0.001, 1e-12);
  scenario.drafting.guess_s = 0.5;
  EXPECT_NEAR(draft_seconds(scenario, 4), 0.5, 1e-12);
}

TEST(Cost, WhatWasMeasuredScalesAllOrStaysFixed) {
  Scenario scenario = made_up();
  const double plain = pass_cost(scenario, 1).total(), step = step_seconds(scenario, 1);
  scenario.plain_s = 2 * plain;
  scenario.unexplained_grows = 1;
  EXPECT_NEAR(step_seconds(scenario, 1) / plain_seconds(scenario), step / plain, 1e-12);
  scenario.unexplained_grows = 0;
  EXPECT_NEAR(step_seconds(scenario, 1), step + plain, 1e-12);
  scenario.drafting = {.kind = Drafting::Kind::model, .guess_s = 0.5};
  EXPECT_NEAR(step_seconds(scenario, 1), step + plain + 0.5, 1e-12) << "guesses take what they take";
}

TEST(Acceptance, TokensPerPassAndBack) {
  EXPECT_NEAR(Acceptance{{0.5}}.tokens_per_pass(3), 1.875, 1e-12);
  EXPECT_NEAR((Acceptance{{0.8, 0.5}}.tokens_per_pass(3)), 1 + 0.8 + 0.4 + 0.2, 1e-12);
  EXPECT_EQ(Acceptance{}.tokens_per_pass(3), 1);
  const Acceptance prefixes = acceptance_of_prefixes(std::array{0.8, 0.4, 0.0});
  EXPECT_NEAR(prefixes.tokens_per_pass(3), 2.2, 1e-12);
  // Prefix acceptance is the sum of powers, not 1 + D alpha: evidence.md, section 3.
  EXPECT_NEAR(*even_acceptance(1 + 5 * 0.14, 5), 0.415, 0.005);
  EXPECT_EQ(even_acceptance(3.01, 2), std::nullopt);
}

TEST(Memory, CountsWeightsCacheAndDrafter) {
  Scenario scenario = made_up();
  EXPECT_TRUE(memory_fit(scenario).all);
  scenario.drafting.traffic.total_bytes = 20e9;
  MemoryFit fit = memory_fit(scenario);
  EXPECT_FALSE(fit.all);
  EXPECT_TRUE(fit.without);
  EXPECT_NEAR(fit.resident, 159.0 / 160, 1e-9);
  scenario.machines = 2;
  EXPECT_TRUE(memory_fit(scenario).all);
  scenario.machines = 1;
  scenario.machine.usable_memory_bytes = exactly(30e9);
  EXPECT_FALSE(memory_fit(scenario).without);
}

// 1 row of a prompt wakes 4 experts and fills a tile of 8 rows with each.
TEST(Prefill, IsArithmeticOrReadingWhicheverIsMore) {
  const PrefillPrice one = prefill_cost(made_up(), 1);
  EXPECT_NEAR(one.compute_s, 2 * (10e9 + 4 * 8 * 5e9) / 1e12, 1e-9);
  EXPECT_NEAR(one.memory_s, 0.6, 1e-9);
  EXPECT_NEAR(one.total_s, 0.6 + 0.023, 1e-9);
  EXPECT_GT(prefill_cost(made_up(), 1000).tokens_per_s(), one.tokens_per_s());
}

TEST(Sensitivity, EveryAssumptionIsSetWhereItIs) {
  Scenario scenario = made_up();
  scenario.machine = find_hardware("m3-ultra");
  scenario.overlap.kind = Overlap::Kind::published;
  scenario.machines = 2;
  scenario.hit_rate = 0.5;
  scenario.plain_s = 100;
  scenario.drafting.kind = Drafting::Kind::free;
  const Acceptance acceptance{{0.5}};
  const auto all = assumptions_of(scenario, &acceptance);
  EXPECT_EQ(all.size(), 14u);
  for (const Assumption& one : all) {
    EXPECT_LE(one.low, one.value) << one.name;
    EXPECT_GE(one.high, one.value) << one.name;
    EXPECT_FALSE(one.source.empty()) << one.name;
  }
}

TEST(Calibrate, ReadsPointsAndWhatBenchWrites) {
  const ConfigReader points(R"({"points": [{"rows": 2, "seconds": 0.5, "experts": 7}]})", "a.json");
  const ConfigReader bench(R"({"passes": [{"rows": 2, "pass_s": 0.5, "experts_per_layer": 7, "bytes": 1}]})", "b.json");
  for (const ConfigReader& file : {points, bench}) {
    const std::vector<MeasuredPass> read = read_points(file);
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].rows, 2);
    EXPECT_EQ(read[0].seconds, 0.5);
    EXPECT_EQ(read[0].woken, 7);
  }
}

// Points that a machine made, from which a machine like another one is fitted.
TEST(Calibrate, FindsTheMachineThatMadeThePoints) {
  Scenario scenario = made_up();
  std::vector<MeasuredPass> points;
  for (const int rows : {1, 2, 3, 4, 8, 16})
    points.push_back({.rows = rows, .seconds = pass_cost(scenario, rows).total()});
  Scenario other = scenario;
  other.machine.effective_bytes_per_s = {
      .value = 80e9, .known = false, .low = 60e9, .high = 120e9, .source = "made up"};
  other.machine.dispatch_s = {.value = 0.004, .known = false, .low = 0, .high = 0.01, .source = "made up"};
  other.machine.row_s = {.value = 0.003, .known = false, .low = 0, .high = 0.01, .source = "made up"};
  other.machine.repeat_share = {.value = 0.9, .known = false, .low = 0, .high = 1, .source = "made up"};
  other.machine.switch_share = {.value = 0.4, .known = false, .low = 0, .high = 1, .source = "made up"};
  const Calibration found = calibrate(other, points, "test");
  EXPECT_EQ(found.fitted.size(), 5u);
  for (const Calibration::Residual& one : found.residuals) {
    EXPECT_NEAR(one.after_s / one.point.seconds, 1, 0.01) << one.point.rows;
    EXPECT_GT(std::abs(one.before_s / one.point.seconds - 1), 0.1);
  }
  EXPECT_NEAR(found.machine.effective_bytes_per_s.value, 100e9, 15e9);
}

// Steps tell what a step takes besides, and their drafter's passes the rest.
TEST(Calibrate, FindsWhatAStepTakes) {
  Scenario scenario = made_up();
  scenario.machine.step_s = exactly(0.2);
  scenario.drafting.kind = Drafting::Kind::model;
  scenario.drafting.traffic = {.layers = 2, .hidden = 100};
  scenario.drafting.traffic.fixed_bytes = 1e9;
  std::vector<MeasuredPass> points{{.rows = 1, .seconds = pass_cost(scenario, 1).total()}};
  for (const int k : {1, 2, 4}) {
    points.push_back({.rows = k + 1, .seconds = step_seconds(scenario, k), .woken = 0, .guesses = k});
  }
  scenario.machine.step_s = {.value = 0.1, .known = false, .low = 0, .high = 0.5, .source = "made up"};
  const Calibration found = calibrate(scenario, points, "test");
  EXPECT_NEAR(found.machine.step_s.value, 0.2, 0.02);
  for (const Calibration::Residual& one : found.residuals) EXPECT_NEAR(one.after_s / one.point.seconds, 1, 0.01);
}

}  // namespace
}  // namespace specdec

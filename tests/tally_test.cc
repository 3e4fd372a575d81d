#include "verify/tally.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "core/kinds.h"
#include "core/traffic.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

// A chain of `drafted` guesses of which `accepted` stayed.
StepRecord chain(int drafted, int accepted) {
  StepRecord step;
  step.rows = drafted + 1;
  step.depth = drafted;
  for (int row = 0; row <= drafted; ++row) step.parents.push_back(row - 1);
  for (int row = 0; row <= accepted; ++row) step.path.push_back(row);
  step.rejected = accepted < drafted;
  step.emitted.resize(static_cast<std::size_t>(accepted) + 1);
  return step;
}

const WeightBytes kWeights{.fixed = 1000, .head = 300, .embedding_row = 10, .expert = {0, 50, 70}, .total = 9000};

ModelInfo moe() {
  ModelInfo info;
  info.experts = 8;
  info.experts_per_token = 2;
  return info;
}

TEST(Traffic, AnExpertThatManyRowsChoseIsReadOnce) {
  const std::vector<RouterUse> routed{{0, 1, 3}, {0, 1, 5}, {0, 2, 3}, {1, 1, 5}, {1, 1, 6}, {1, 2, 3}};
  const auto woken = woken_experts(routed);
  EXPECT_EQ(woken, (std::vector<WokenExpert>{{1, 3}, {1, 5}, {1, 6}, {2, 3}}));
  EXPECT_EQ(bytes_of_pass(kWeights, 2, woken), 1000 + 20 + 3 * 50 + 70);
  EXPECT_EQ(bytes_of_pass(kWeights, 2, woken, HeadUse::skipped), 700 + 20 + 3 * 50 + 70);
  EXPECT_EQ(bytes_of_pass(kWeights, 1, {}), 1010);
  const std::vector<RouterUse> many{{0, 0, 200}, {0, 0, 64}, {0, 0, 63}, {1, 3, 0}, {2, 0, 64}, {2, 3, 199}};
  EXPECT_EQ(woken_experts(many), (std::vector<WokenExpert>{{0, 63}, {0, 64}, {0, 200}, {3, 0}, {3, 199}}));
  EXPECT_TRUE(woken_experts({}).empty());
  EXPECT_EQ(bytes_of_plain_pass(kWeights, 2), 1000 + 10 + 2 * (50 + 70));
}

TEST(Tally, AcceptanceIsCountedWhereItWasTested) {
  const std::vector<StepRecord> steps{chain(3, 3), chain(3, 1), chain(3, 0), chain(1, 1), chain(0, 0), chain(2, 2)};
  const Tally tally = tally_of(steps, {}, {});
  EXPECT_EQ(tally.steps, 6);
  EXPECT_EQ(tally.tokens, 13);
  EXPECT_EQ(tally.drafted, 12);
  EXPECT_EQ(tally.accepted, 7);
  EXPECT_EQ(tally.rejections, 2);
  EXPECT_DOUBLE_EQ(tally.alpha, 7.0 / 9);
  EXPECT_DOUBLE_EQ(tally.tokens_per_pass, 13.0 / 6);
  ASSERT_EQ(tally.positions.size(), 3U);
  EXPECT_EQ(tally.positions[0].tested, 5);
  EXPECT_EQ(tally.positions[0].accepted, 4);
  EXPECT_EQ(tally.positions[1].tested, 3);  // after one accepted guess, where a second one was drafted
  EXPECT_EQ(tally.positions[1].accepted, 2);
  EXPECT_EQ(tally.positions[2].tested, 1);
  EXPECT_DOUBLE_EQ(tally.positions[2].rate(), 1);
}

// The anchor 0 has the children 1, 2, 3; of these, 2 has 4 and 5.
TEST(Tally, SiblingsAreTestedUntilOneStays) {
  const auto step = [](std::vector<int> path, bool rejected) {
    StepRecord record;
    record.rows = 6;
    record.parents = {-1, 0, 0, 0, 2, 2};
    record.path = std::move(path);
    record.rejected = rejected;
    record.emitted.resize(record.path.size());
    return record;
  };
  const auto ranks = [](std::vector<StepRecord> steps) {
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    for (const PositionTally& rank : tally_of(steps, {}, {}).ranks) found.emplace_back(rank.tested, rank.accepted);
    return found;
  };
  using Ranks = std::vector<std::pair<std::int64_t, std::int64_t>>;
  EXPECT_EQ(ranks({step({0}, true)}), (Ranks{{1, 0}, {1, 0}, {1, 0}}));
  EXPECT_EQ(ranks({step({0, 1}, false)}), (Ranks{{1, 1}}));
  EXPECT_EQ(ranks({step({0, 2, 5}, false)}), (Ranks{{2, 0}, {2, 2}}));
  EXPECT_EQ(ranks({step({0, 2}, false)}), (Ranks{{1, 0}, {1, 1}}));  // an end of text: what follows was not tested
  EXPECT_EQ(ranks({step({0, 2}, true)}), (Ranks{{2, 0}, {2, 1}}));
  const std::vector<PositionTally> half{{.tested = 10, .accepted = 5}, {.tested = 4, .accepted = 2}};
  EXPECT_EQ(chances_by_rank(half), (std::vector<double>{0.5, 0.25}));
}

TEST(Tally, AlphaDoesNotDependOnTheLengthOfDrafts) {
  const Rng rng(4);
  std::uint64_t draw = 0;
  for (const int depth : {1, 2, 8}) {
    std::vector<StepRecord> steps;
    for (int i = 0; i < 20000; ++i) {
      int accepted = 0;
      while (accepted < depth && rng.uniform(draw++) < 0.7) ++accepted;
      steps.push_back(chain(depth, accepted));
    }
    const Tally tally = tally_of(steps, {}, {});
    EXPECT_NEAR(tally.alpha, 0.7, 0.01) << depth;
    EXPECT_NEAR(tally.tokens_per_pass, expected_tokens_per_pass(0.7, depth), 0.03) << depth;
    for (const PositionTally& position : tally.positions) {
      if (position.tested > 1000) {
        EXPECT_NEAR(position.rate(), 0.7, 0.05);
      }
    }
  }
  EXPECT_DOUBLE_EQ(expected_tokens_per_pass(1, 4), 5);
  EXPECT_DOUBLE_EQ(expected_tokens_per_pass(0, 4), 1);
}

TEST(Tally, ExpertsAreSplitIntoNeededAndWasted) {
  StepRecord step = chain(2, 1);
  step.routed = {{0, 1, 0}, {0, 1, 1}, {0, 2, 4}, {0, 2, 5}, {1, 1, 1}, {1, 1, 2},
                 {1, 2, 4}, {1, 2, 5}, {2, 1, 2}, {2, 1, 3}, {2, 2, 6}, {2, 2, 7}};
  step.draft = {.passes = 2, .rows = 2, .bytes = 123};
  const Tally tally = tally_of(std::vector<StepRecord>{step}, moe(), kWeights);
  ASSERT_EQ(tally.layers.size(), 2U);  // the dense layer is left out
  EXPECT_EQ(tally.layers[0].layer, 1);
  EXPECT_DOUBLE_EQ(tally.layers[0].woken, 4);
  EXPECT_DOUBLE_EQ(tally.layers[0].accepted, 3);
  EXPECT_DOUBLE_EQ(tally.layers[0].rejected_only, 1);
  EXPECT_DOUBLE_EQ(tally.layers[0].uniform, 8 * (1 - 0.75 * 0.75 * 0.75));
  EXPECT_DOUBLE_EQ(tally.layers[1].woken, 4);
  EXPECT_DOUBLE_EQ(tally.layers[1].accepted, 2);
  EXPECT_EQ(tally.bytes.draft, 123);
  EXPECT_EQ(tally.bytes.accepted, 1000 + 2 * 10 + 3 * 50 + 2 * 70);
  EXPECT_EQ(tally.bytes.rejected, 10 + 50 + 2 * 70);
  EXPECT_EQ(tally.bytes.total() - tally.bytes.draft, bytes_of_pass(kWeights, 3, woken_experts(step.routed)));
  EXPECT_DOUBLE_EQ(tally.plain_bytes, 1000 + 10 + 2 * 120);
  EXPECT_DOUBLE_EQ(tally.bytes_per_token(), static_cast<double>(tally.bytes.total()) / 2);
}

TEST(Tally, NeighboursShareExpertsByWhatBecameOfThem) {
  StepRecord step = chain(3, 1);  // rows 0 and 1 stay, 2 and 3 are rejected
  step.routed = {{0, 1, 5}, {0, 1, 1}, {1, 1, 1}, {1, 1, 5}, {2, 1, 5}, {2, 1, 7}, {3, 1, 0}, {3, 1, 2}};
  StepRecord next = chain(0, 0);
  next.routed = {{0, 1, 1}, {0, 1, 5}};
  const Tally tally = tally_of(std::vector{step, next, next}, moe(), kWeights);
  const Neighbours& layer = tally.layers[0].overlap;
  EXPECT_EQ(layer.kept.pairs, 1);
  EXPECT_EQ(layer.kept.shared, 2);
  EXPECT_EQ(layer.refused.pairs, 1);
  EXPECT_EQ(layer.refused.shared, 1);
  EXPECT_EQ(layer.beyond.pairs, 1);
  EXPECT_EQ(layer.beyond.shared, 0);
  EXPECT_EQ(layer.corrected.pairs, 1);  // not the step after: no guess was rejected before it
  EXPECT_EQ(layer.corrected.shared, 2);
  EXPECT_DOUBLE_EQ(layer.rejected().mean(), 0.5);
  EXPECT_EQ(tally.overlap.kept.pairs, 2);  // of two layers, the second of which was not routed here
  EXPECT_DOUBLE_EQ(tally.overlap.kept.mean(), 1);
  EXPECT_DOUBLE_EQ(uniform_overlap(8, 2), 0.5);
}

TEST(Tally, TheRowBeforeARowIsItsParentInTheTree) {
  StepRecord step = chain(2, 0);
  step.parents = {-1, 0, 0};  // two guesses for one place
  step.path = {0, 2};
  step.rejected = false;
  step.routed = {{0, 1, 1}, {0, 1, 2}, {1, 1, 3}, {1, 1, 4}, {2, 1, 2}, {2, 1, 4}};
  const Neighbours overlap = tally_of(std::vector{step}, moe(), kWeights).layers[0].overlap;
  EXPECT_EQ(overlap.kept.shared, 1);
  EXPECT_EQ(overlap.refused.pairs, 1);
  EXPECT_EQ(overlap.refused.shared, 0);
  EXPECT_EQ(overlap.beyond.pairs, 0);
}

// Rows that draw their experts evenly share what the formula says.
TEST(Tally, UniformOverlap) {
  constexpr int kExperts = 32, kChosen = 4;
  StepRecord step = chain(2000, 2000);
  const Rng rng(3);
  for (int row = 0; row < step.rows; ++row) {
    std::vector<int> left(kExperts);
    std::iota(left.begin(), left.end(), 0);
    for (int i = 0; i < kChosen; ++i) {
      const double u = rng.fork(static_cast<std::uint64_t>(row)).uniform(static_cast<std::uint64_t>(i));
      const auto at = left.begin() + static_cast<std::ptrdiff_t>(u * static_cast<double>(left.size()));
      step.routed.push_back({row, 0, *at});
      left.erase(at);
    }
  }
  ModelInfo info;
  info.experts = kExperts;
  info.experts_per_token = kChosen;
  const Tally tally = tally_of(std::vector{step}, info, {.expert = {1}});
  EXPECT_NEAR(tally.overlap.kept.mean(), uniform_overlap(kExperts, kChosen), 0.05);
}

TEST(Tally, UniformUnion) {
  EXPECT_NEAR(uniform_union(256, 8, 1), 8, 1e-9);
  EXPECT_NEAR(uniform_union(256, 8, 2), 15.75, 1e-9);
  EXPECT_NEAR(uniform_union(256, 8, 4), 30.5, 0.05);  // formats-and-algorithms 3.9
  EXPECT_NEAR(uniform_union(256, 8, 8), 57.4, 0.05);
  EXPECT_EQ(uniform_union(0, 0, 3), 0);
}

TEST(Tally, RepeatedNgrams) {
  const auto share = [](std::vector<TokenId> text) {
    StepRecord step;
    step.path = {0};
    step.emitted = std::move(text);
    return tally_of(std::vector<StepRecord>{step}, {}, {}).repeated_ngrams;
  };
  EXPECT_EQ(share(ids({1, 2, 3})), 0);
  EXPECT_EQ(share(ids({1, 2, 3, 4, 5, 6})), 0);
  EXPECT_DOUBLE_EQ(share(ids({1, 2, 3, 4, 1, 2, 3, 4})), 1.0 / 5);
  EXPECT_DOUBLE_EQ(share(ids({7, 7, 7, 7, 7, 7})), 2.0 / 3);
}

TEST(Tally, NothingHappened) {
  const Tally tally = tally_of({}, moe(), kWeights);
  EXPECT_EQ(tally.tokens_per_pass, 0);
  EXPECT_EQ(tally.alpha, 0);
  EXPECT_EQ(tally.bytes_per_token(), 0);
  EXPECT_EQ(compare(tally, tally).speed_up, 0);
}

TEST(Tally, BreakEvenIsWhereTheCostOfAStepIsPaid) {
  StepRecord one = chain(0, 0);
  one.times.look_s = 2;
  StepRecord drafted = chain(3, 2);
  drafted.times = {.guess_s = 1, .look_s = 3, .judge_s = 0.5, .keep_s = 0.25, .tell_s = 0.25};
  drafted.draft.bytes = 480;
  const Tally plain = tally_of(std::vector{one, one, one}, {}, kWeights);
  const Tally tally = tally_of(std::vector{drafted, drafted}, {}, kWeights);
  const Comparison comparison = compare(tally, plain);
  EXPECT_DOUBLE_EQ(plain.bytes_per_token(), 1010);
  EXPECT_DOUBLE_EQ(comparison.break_even_seconds, 2.5);
  EXPECT_DOUBLE_EQ(comparison.speed_up, 3 / 2.5);
  EXPECT_DOUBLE_EQ(comparison.break_even_bytes, (1000 + 40 + 480) / 1010.0);
  EXPECT_DOUBLE_EQ(comparison.byte_ratio, 3 / comparison.break_even_bytes);
}

// A run counts the bytes that its passes say.
TEST(Tally, OfARun) {
  const ToyModel target({.vocab = 32, .experts = 6, .mtp_noise = 0.25});
  DrafterContext context{.target = target, .capacity = 400};
  const auto drafter = make_drafter({"mtp", "", {}}, context);
  const Rule rule = make_rule("sampled");
  Session session(target, *drafter, rule, {}, {.budget = {.depth = 2}, .max_tokens = 200, .capacity = 400}, Rng(1));
  session.prefill(ids({1, 2, 3}));
  const DraftCost before = drafter->cost();
  std::vector<StepRecord> steps;
  while (!session.done()) steps.push_back(session.step());
  const Tally tally = tally_of(steps, target.info(), target.bytes());
  EXPECT_EQ(tally.tokens, 200);
  EXPECT_EQ(tally.rows, tally.drafted + tally.steps);
  EXPECT_EQ(tally.tokens, tally.accepted + tally.steps);
  EXPECT_EQ(tally.bytes.draft, drafter->cost().bytes - before.bytes);
  EXPECT_EQ(drafter->step_bytes(), 30 + 1 + 2 * 4);
  EXPECT_GT(tally.alpha, 0.3);
  ASSERT_EQ(tally.layers.size(), 1U);
  const LayerTally& layer = tally.layers.front();
  EXPECT_GE(layer.woken, layer.accepted);
  EXPECT_GE(layer.accepted, 2);
  EXPECT_NEAR(layer.rejected_only, layer.woken - layer.accepted, 1e-12);
  Tallying tallying(target.info(), target.bytes(), Tallying::Extras::left_out);
  for (const StepRecord& step : steps) tallying.add(step);
  const Tally short_one = tallying.tally();
  EXPECT_EQ(short_one.bytes.total(), tally.bytes.total());
  EXPECT_EQ(short_one.alpha, tally.alpha);
  EXPECT_EQ(short_one.layers.front().accepted, layer.accepted);
  EXPECT_EQ(short_one.layers.front().uniform, layer.uniform);
  EXPECT_GT(tally.overlap.kept.pairs, 0);
  EXPECT_EQ(short_one.overlap.kept.pairs, 0);
  EXPECT_EQ(short_one.repeated_ngrams, 0);
  EXPECT_DOUBLE_EQ(tally.plain_bytes, 100 + 1 + 2 * 7);
  EXPECT_GT(tally.times.total_s(), 0);
}

}  // namespace
}  // namespace specdec

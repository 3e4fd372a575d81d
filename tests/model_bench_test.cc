#include "experiments/model_bench.h"

#include <gtest/gtest.h>

#include "core/traffic.h"
#include "experiments/pass_meter.h"
#include "tests/error_line.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

class ModelBenchTest : public testing::Test {
 protected:
  const TinyCheckpoint tiny_{"glm4_moe"};
  Engine engine_{{.threads = 2}};
  const std::unique_ptr<Model> model_ = load_model(tiny_.directory(), engine_);
};

TEST_F(ModelBenchTest, AMeteredPassIsForgotten) {
  const std::vector<TokenId> tokens = random_tokens(*model_, 12, 3);
  PassMeter meter(*model_, std::span(tokens).first(4), 8);
  const PassCost wide = meter.pass(std::span(tokens).last(8));
  const PassCost one = meter.pass(std::span(tokens).subspan(4, 1));
  EXPECT_EQ(one.bytes, bytes_of_plain_pass(model_->bytes(), model_->info().experts_per_token));
  EXPECT_GT(wide.bytes, one.bytes);
  EXPECT_GT(wide.woken, one.woken);
  EXPECT_GT(one.s, 0);
  EXPECT_EQ(meter.pass(std::span(tokens).last(8)).bytes, wide.bytes);
}

TEST_F(ModelBenchTest, RandomTokensAreInTheVocabularyAndDependOnTheSeed) {
  const std::vector<TokenId> tokens = random_tokens(*model_, 1000, 3);
  EXPECT_EQ(tokens, random_tokens(*model_, 1000, 3));
  EXPECT_NE(tokens, random_tokens(*model_, 1000, 4));
  const auto [least, most] = std::ranges::minmax(tokens);
  EXPECT_GE(index(least), 0);
  EXPECT_EQ(index(most), kTinyVocab - 1);
}

TEST_F(ModelBenchTest, FiguresFitTogether) {
  const ModelBench bench = bench_model(*model_, random_tokens(*model_, 40, 1),
                                       {.widths = {1, 3, 8}, .prefill_steps = {4, 40}, .patience_s = 0.01}, engine_);
  EXPECT_EQ(bench.memory_bytes_per_s.size(), 2);
  EXPECT_EQ(bench.context, 32);
  EXPECT_GE(bench.rounds, 5);
  ASSERT_EQ(bench.widths.size(), 3);
  for (const WidthCost& cost : bench.widths) {
    EXPECT_GT(cost.s, 0);
    EXPECT_GT(cost.one_token_s, 0);
    EXPECT_LE(cost.starts, cost.barriers) << "a start ends with the threads waiting for one another";
    EXPECT_NEAR(cost.limit.reading_share + cost.limit.compute_share + cost.limit.barrier_share, 1, 1e-9);
  }
  EXPECT_EQ(bench.widths[0].woken, 3);
  EXPECT_GT(bench.widths[2].woken, 3);
  ASSERT_EQ(bench.prefill.size(), 2);
  EXPECT_GT(bench.prefill[0].tokens_per_s, 0);
  ASSERT_EQ(bench.parts.size(), 2);
  EXPECT_EQ(bench.parts[1].width, 8);
  for (const PartCosts& costs : bench.parts) {
    double s = 0;
    for (const PartCosts::Part& part : costs.parts) s += part.s;
    EXPECT_NEAR(s, costs.s, costs.s / 5) << costs.width << " rows";
  }
}

TEST_F(ModelBenchTest, TheTextMustBeLongerThanTheRows) {
  expect_error([&] { bench_model(*model_, random_tokens(*model_, 8, 1), {.widths = {8}}, engine_); },
               {"8 rows", "--widths"});
}

}  // namespace
}  // namespace specdec

#include "core/distribution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/rng.h"
#include "tests/error_line.h"

namespace specdec {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TokenId id(int token) { return TokenId{token}; }

Distribution law_of(const std::vector<double>& weights) {
  return Distribution(std::vector<float>(weights.begin(), weights.end()));
}

std::vector<double> probabilities(const Distribution& law) {
  std::vector<double> all;
  for (int i = 0; i < law.size(); ++i) all.push_back(law[id(i)]);
  return all;
}

void expect_law(const Distribution& law, const std::vector<double>& expected) {
  ASSERT_EQ(law.size(), static_cast<int>(expected.size()));
  for (int i = 0; i < law.size(); ++i) EXPECT_NEAR(law[id(i)], expected[static_cast<std::size_t>(i)], 1e-7) << i;
}

// Logits whose softmax is the given weights, normalised.
std::vector<float> logits_of(const std::vector<double>& weights) {
  std::vector<float> logits;
  for (const double weight : weights) logits.push_back(static_cast<float>(std::log(weight)));
  return logits;
}

TEST(Distribution, NormalisesItsWeights) { expect_law(law_of({1, 0, 3}), {0.25, 0, 0.75}); }

TEST(Distribution, SampleInvertsTheCumulativeSumInOrderOfIds) {
  const Distribution law = law_of({0, 0.25, 0, 0.75, 0});
  EXPECT_EQ(law.sample(0), id(1));
  EXPECT_EQ(law.sample(0.2499), id(1));
  EXPECT_EQ(law.sample(0.25), id(3));
  EXPECT_EQ(law.sample(std::nextafter(1.0, 0.0)), id(3));
}

TEST(Distribution, SampleNeverDrawsProbabilityZeroThoughTheSumRoundsBelowOne) {
  std::vector<float> weights(1000, 0.1F);
  weights.back() = 0;
  const Distribution law(weights);
  EXPECT_EQ(law.sample(std::nextafter(1.0, 0.0)), id(998));
}

TEST(Distribution, PointMassIsKeptAsSuch) {
  const Distribution law = Distribution::point(id(2), 4);
  EXPECT_EQ(law.certain(), id(2));
  expect_law(law, {0, 0, 1, 0});
  for (const double u : {0.0, 0.5, 0.999}) EXPECT_EQ(law.sample(u), id(2));
}

TEST(Distribution, ResidualIsWhatIsLeftOfPWithoutQ) {
  const Distribution p = law_of({0.5, 0.3, 0.2});
  expect_law(*residual(p, law_of({0.2, 0.6, 0.2})), {1, 0, 0});
  expect_law(*residual(p, Distribution::point(id(0), 3)), {0, 0.6, 0.4});
  expect_law(*residual(p, law_of({0.1, 0.1, 0.8})), {4.0 / 6, 2.0 / 6, 0});
}

TEST(Distribution, ResidualOfPointMasses) {
  const Distribution one = Distribution::point(id(1), 3);
  EXPECT_EQ(residual(one, Distribution::point(id(2), 3))->certain(), id(1));
  EXPECT_EQ(residual(one, law_of({0.5, 0.25, 0.25}))->certain(), id(1));
  EXPECT_FALSE(residual(one, one));
}

TEST(Distribution, ResidualOfEqualLawsIsEmpty) {
  const Distribution p = law_of({0.5, 0.3, 0.2});
  EXPECT_FALSE(residual(p, p));
  EXPECT_FALSE(residual(law_of({0, 1, 0}), Distribution::point(id(1), 3)));
}

TEST(Distribution, SumMin) {
  const Distribution p = law_of({0.5, 0.3, 0.2});
  EXPECT_NEAR(sum_min(p, p), 1, 1e-7);
  EXPECT_NEAR(sum_min(p, law_of({0.2, 0.6, 0.2})), 0.7, 1e-7);
  EXPECT_NEAR(sum_min(law_of({1, 0, 0}), law_of({0, 0.5, 0.5})), 0, 1e-7);
  EXPECT_NEAR(sum_min(p, Distribution::point(id(2), 3)), 0.2, 1e-7);
  EXPECT_NEAR(sum_min(Distribution::point(id(1), 3), p), 0.3, 1e-7);
  EXPECT_EQ(sum_min(Distribution::point(id(1), 3), Distribution::point(id(1), 3)), 1);
}

TEST(Sampler, GreedyTakesTheLowestOfEqualLogits) {
  const std::vector<float> logits{1, 3, -2, 3, 3};
  EXPECT_EQ(Sampler{}.distribution(logits).certain(), id(1));
}

TEST(Sampler, SoftmaxAtTemperature) {
  const std::vector<float> logits{0, std::log(2.0F), -kInf, std::log(4.0F)};
  const Sampler plain{.temperature = 1};
  const Sampler cold{.temperature = 0.5};
  const auto p = probabilities(plain.distribution(logits));
  const auto c = probabilities(cold.distribution(logits));
  const std::vector<double> expected_plain{1 / 7.0, 2 / 7.0, 0, 4 / 7.0};
  const std::vector<double> expected_cold{1 / 21.0, 4 / 21.0, 0, 16 / 21.0};
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(p[i], expected_plain[i], 1e-7);
    EXPECT_NEAR(c[i], expected_cold[i], 1e-7);
  }
}

TEST(Sampler, HugeLogitsDoNotOverflow) {
  const std::vector<float> logits{3e38F, -3e38F, 3e38F};
  expect_law(Sampler{.temperature = 1e-3}.distribution(logits), {0.5, 0, 0.5});
}

struct FilterCase {
  Sampler sampler;
  std::vector<double> expected;
};

class SamplerFilters : public testing::TestWithParam<FilterCase> {};

TEST_P(SamplerFilters, KeepTheSurestTokens) {
  const auto logits = logits_of({0.1, 0.4, 0.1, 0.25, 0.15});
  const Distribution law = GetParam().sampler.distribution(logits);
  for (int i = 0; i < law.size(); ++i)
    EXPECT_NEAR(law[id(i)], GetParam().expected[static_cast<std::size_t>(i)], 1e-6) << i;
}

INSTANTIATE_TEST_SUITE_P(
    Each, SamplerFilters,
    testing::Values(FilterCase{{.temperature = 1, .top_k = 2}, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
                    FilterCase{{.temperature = 1, .top_k = 4}, {0.1 / 0.9, 0.4 / 0.9, 0, 0.25 / 0.9, 0.15 / 0.9}},
                    FilterCase{{.temperature = 1, .top_k = 99}, {0.1, 0.4, 0.1, 0.25, 0.15}},
                    FilterCase{{.temperature = 1, .top_p = 0.5}, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
                    FilterCase{{.temperature = 1, .top_p = 0.01}, {0, 1, 0, 0, 0}},
                    FilterCase{{.temperature = 1, .top_p = 0.85}, {0.1 / 0.9, 0.4 / 0.9, 0, 0.25 / 0.9, 0.15 / 0.9}},
                    FilterCase{{.temperature = 1, .min_p = 0.5}, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
                    FilterCase{{.temperature = 1, .min_p = 1}, {0, 1, 0, 0, 0}},
                    // top-p counts what top-k left: 0.4 of 0.65 is enough.
                    FilterCase{{.temperature = 1, .top_k = 2, .top_p = 0.6}, {0, 1, 0, 0, 0}},
                    FilterCase{{.temperature = 1, .top_k = 3, .min_p = 0.5}, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}}));

TEST(Sampler, TopPOverALargeVocabularyEqualsAFullSort) {
  std::vector<float> logits;
  const Rng rng(3);
  for (std::uint64_t i = 0; i < 5000; ++i) logits.push_back(static_cast<float>(4 * rng.uniform(i)));
  const auto all = probabilities(Sampler{.temperature = 1}.distribution(logits));
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return all[a] > all[b]; });
  std::vector<double> expected(all.size());
  double sum = 0;
  for (std::size_t i = 0; sum < 0.9; ++i) sum += expected[order[i]] = all[order[i]];
  for (double& x : expected) x /= sum;
  expect_law(Sampler{.temperature = 1, .top_p = 0.9}.distribution(logits), expected);
}

TEST(Sampler, LogitsOfAPartOfTheVocabulary) {
  const std::vector<TokenId> ids{id(1), id(4)};
  const std::vector<float> logits{0, std::log(3.0F)};
  const auto p = probabilities(Sampler{.temperature = 1}.distribution(logits, ids, 6));
  EXPECT_NEAR(p[1], 0.25, 1e-7);
  EXPECT_NEAR(p[4], 0.75, 1e-7);
  EXPECT_EQ(p[0] + p[2] + p[3] + p[5], 0);
  EXPECT_EQ(Sampler{}.distribution(logits, ids, 6).certain(), id(4));
}

TEST(Sampler, DamagedLogitsAreNamed) {
  const Sampler greedy;
  const Sampler warm{.temperature = 1};
  for (const Sampler& sampler : {greedy, warm}) {
    expect_error([&] { sampler.distribution(std::vector<float>{1, 2, kNaN, 0}); }, {"column 2", "nan"});
    expect_error([&] { sampler.distribution(std::vector<float>{kNaN, 2}); }, {"column 0", "nan"});
    expect_error([&] { sampler.distribution(std::vector<float>{1, kInf}); }, {"column 1", "inf"});
    expect_error([&] { sampler.distribution(std::vector<float>{-kInf, -kInf}); }, {"none of 2 logits"});
    const std::vector<float> rows{0, 1, 2, kNaN};
    expect_error([&] { sampler.distribution_of_row(MatView(rows.data(), 2, 2), 1); }, {"row 1", "column 1"});
  }
}

TEST(Sampler, ImpossibleOptionsAreRefused) {
  Sampler{}.check();
  Sampler{.temperature = 2, .top_k = 5, .top_p = 0.1, .min_p = 1}.check();
  expect_error([] { Sampler{.temperature = -1}.check(); }, {"temperature", "-1"});
  expect_error([] { Sampler{.temperature = kNaN}.check(); }, {"temperature"});
  expect_error([] { Sampler{.top_k = -3}.check(); }, {"top-k", "-3"});
  expect_error([] { Sampler{.top_p = 0}.check(); }, {"top-p"});
  expect_error([] { Sampler{.top_p = 1.5}.check(); }, {"top-p", "1.5"});
  expect_error([] { Sampler{.min_p = -0.5}.check(); }, {"min-p"});
}

}  // namespace
}  // namespace specdec

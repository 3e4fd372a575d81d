// Shared-out products against Eigen in float32, which asks OpenBLAS where it is there.
#include "core/blocks/product.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/panel_store.h"
#include "core/rng.h"
#include "core/tensor.h"

namespace specdec {
namespace {

TEST(Multiply, EqualsTheReferenceForAnyThreads) {
  constexpr std::int64_t kRows = 5, kIn = 300;
  const auto draw = [](std::uint64_t seed, std::int64_t size) {
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(2 * Rng(seed).uniform(i) - 1);
    return values;
  };
  const auto x = draw(1, kRows * kIn);
  std::vector<std::vector<float>> first_run;
  for (const int threads : {1, 2, 3}) {
    Engine engine({.threads = threads, .compute = "f32"});
    PanelStore panels;
    std::vector<Weight> weights;
    std::vector<std::vector<float>> stored, results;
    for (const std::int64_t out : {1, 17, 400, 64}) {
      stored.push_back(draw(static_cast<std::uint64_t>(out), out * kIn));
      results.emplace_back(static_cast<std::size_t>(kRows * out));
      Weight& weight = weights.emplace_back();
      weight.out = out;
      weight.in = kIn;
    }
    std::vector<Product> products;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      weights[i].values = {reinterpret_cast<const std::byte*>(stored[i].data()), kIn * 4};
      for (const QuantFormat& format : quant_formats()) {
        if (format.name == "f32") weights[i].format = &format;
      }
      panels.pack(weights[i], &engine.pool());
      products.push_back({&weights[i],
                          {.x = x.data(), .stride = kIn, .q8 = std::nullopt},
                          nullptr,
                          kRows,
                          results[i].data(),
                          weights[i].out});
    }
    multiply(engine, products);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Eigen::Matrix<float, kRows, Eigen::Dynamic, Eigen::RowMajor> reference =
          MatView(x.data(), kRows, kIn) * MatView(stored[i].data(), weights[i].out, kIn).transpose();
      for (std::size_t k = 0; k < results[i].size(); ++k)
        EXPECT_NEAR(results[i][k], reference.data()[k], 1e-5 * std::sqrt(kIn));
    }
    if (first_run.empty()) first_run = results;
    EXPECT_EQ(results, first_run) << threads << " threads";
  }
}

}  // namespace
}  // namespace specdec

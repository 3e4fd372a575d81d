// Every kernel of every level against a naive double loop.
#include "core/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace specdec {
namespace {

constexpr double kOrderOfSummation = 1e-5;  // relative to the sum of magnitudes

std::vector<float> draw(std::uint64_t seed, std::size_t size, double scale = 1) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(scale * (2 * Rng(seed).uniform(i) - 1));
  return values;
}

class KernelLevels : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels() const { return *GetParam(); }
};

TEST_P(KernelLevels, Dot) {
  std::vector<std::int64_t> sizes{257, 1024};
  for (std::int64_t n = 1; n <= 130; ++n) sizes.push_back(n);
  for (const std::int64_t n : sizes) {
    // Exactly as long as they may be read: the sanitizers see a read past the end.
    const auto w = draw(1, static_cast<std::size_t>(n));
    const auto x = draw(2, static_cast<std::size_t>(5 * n));
    const std::vector<int> rows{4, 0, 2};
    std::vector<float> y(6, -1);
    kernels().dot(w.data(), n, x.data(), n, rows.data(), 3, y.data(), 2);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      double sum = 0;
      double magnitude = 1e-30;
      for (std::int64_t k = 0; k < n; ++k) {
        const double product =
            static_cast<double>(w[static_cast<std::size_t>(k)]) * x[static_cast<std::size_t>(rows[i] * n + k)];
        sum += product;
        magnitude += std::abs(product);
      }
      EXPECT_NEAR(y[2 * i], sum, kOrderOfSummation * magnitude) << "n " << n;
      EXPECT_EQ(y[2 * i + 1], -1) << "wrote outside its stride";
    }
  }
}

TEST_P(KernelLevels, AffineDotsOfIntegers) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t group : {32, 64, 128}) {
      for (const std::int64_t in : {128, 256, 384, 640, 4096 + 128}) {
        const auto size = static_cast<std::size_t>(in);
        constexpr std::size_t kRows = 7;
        std::vector<std::uint8_t> codes8(size), codes4(size / 2);
        for (std::size_t i = 0; i < size; ++i) codes8[i] = static_cast<std::uint8_t>(Rng(3).bits(i));
        for (std::size_t i = 0; i < size / 2; ++i) codes4[i] = static_cast<std::uint8_t>(Rng(4).bits(i));
        const auto parameters = static_cast<std::size_t>(in / group);
        std::vector<float> scale = draw(5, parameters), bias = draw(6, parameters);
        std::vector<std::uint16_t> scale16(parameters), bias16(parameters);
        for (std::size_t g = 0; g < parameters; ++g) {
          scale16[g] = static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, scale[g]) >> 16);
          bias16[g] = static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, bias[g]) >> 16);
          if (dtype == DType::f32) continue;
          scale[g] = __builtin_bit_cast(float, static_cast<std::uint32_t>(scale16[g]) << 16);
          bias[g] = __builtin_bit_cast(float, static_cast<std::uint32_t>(bias16[g]) << 16);
        }
        const auto stride = static_cast<std::size_t>((in + kQ8Block - 1) / kQ8Block * kQ8Block);
        std::vector<std::int8_t> q(kRows * stride), split(kRows * stride);
        std::vector<float> x_scale(kRows * stride / 32 + 16), x_sum(kRows * stride / 32 + 16);
        const auto x = draw(7, kRows * size);
        for (std::size_t row = 0; row < kRows; ++row) {
          kernels().quantise(x.data() + row * size, in, q.data() + row * stride, split.data() + row * stride,
                             x_scale.data() + row * stride / 32, x_sum.data() + row * stride / 32);
        }
        const Q8Rows rows{q.data(), split.data(), x_scale.data(), x_sum.data(), static_cast<std::int64_t>(stride)};
        for (const int bits : {4, 8}) {
          // Every row of the matrix is the same one, so that all of a kernel's output positions are tried.
          constexpr std::size_t kOut = 6;
          const auto* scales = dtype == DType::f32 ? reinterpret_cast<const std::byte*>(scale.data())
                                                   : reinterpret_cast<const std::byte*>(scale16.data());
          const auto* biases = dtype == DType::f32 ? reinterpret_cast<const std::byte*>(bias.data())
                                                   : reinterpret_cast<const std::byte*>(bias16.data());
          const AffineMatrix w{.codes = bits == 4 ? codes4.data() : codes8.data(),
                               .row_bytes = 0,
                               .scale = scales,
                               .bias = biases,
                               .scale_row_bytes = 0,
                               .scale_dtype = dtype,
                               .out = kOut,
                               .in = in,
                               .group = group};
          std::vector<float> y(kRows * kOut);
          (bits == 4 ? kernels().dot_affine4 : kernels().dot_affine8)(w, rows, nullptr, kRows, y.data(), kOut);
          for (std::size_t row = 0; row < kRows; ++row) {
            double sum = 0;
            double magnitude = 0;
            for (std::size_t k = 0; k < size; ++k) {
              const int code = bits == 8 ? codes8[k] : (codes4[k / 2] >> (4 * (k % 2))) & 15;
              const std::size_t g = k / static_cast<std::size_t>(group);
              const double value = static_cast<double>(scale[g]) * code + bias[g];
              const double activation = static_cast<double>(x_scale[(row * stride + k) / 32]) * q[row * stride + k];
              sum += value * activation;
              magnitude += (std::abs(static_cast<double>(scale[g]) * code) + std::abs(bias[g])) * std::abs(activation);
            }
            for (std::size_t o = 0; o < kOut; ++o) {
              EXPECT_NEAR(y[row * kOut + o], sum, kOrderOfSummation * magnitude)
                  << bits << " bits, group " << group << ", in " << in << ", row " << row;
              EXPECT_EQ(y[row * kOut + o], y[row * kOut]) << "output " << o;
            }
          }
        }
      }
    }
  }
}

TEST_P(KernelLevels, QuantiseRoundsToNearestAndKeepsNotFinite) {
  auto x = draw(8, 160, 3);
  x[40] = 0;
  std::vector<std::int8_t> q(256), split(256);
  std::vector<float> scale(8), sum(8);
  kernels().quantise(x.data(), 160, q.data(), split.data(), scale.data(), sum.data());
  for (std::size_t i = 0; i < 160; ++i) EXPECT_NEAR(scale[i / 32] * q[i], x[i], 0.5001f * scale[i / 32]);
  for (std::size_t i = 160; i < 256; ++i) EXPECT_EQ(q[i], 0);
  for (std::size_t i = 0; i < 128; ++i) EXPECT_EQ(split[i], q[i < 64 ? 2 * i : 2 * (i - 64) + 1]);
  for (std::size_t g = 0; g < 5; ++g) {
    int total = 0;
    for (std::size_t i = 0; i < 32; ++i) total += q[g * 32 + i];
    EXPECT_FLOAT_EQ(sum[g], scale[g] * static_cast<float>(total));
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    x[70] = bad;
    kernels().quantise(x.data(), 160, q.data(), split.data(), scale.data(), sum.data());
    EXPECT_FALSE(std::isfinite(scale[2]));
    EXPECT_TRUE(std::isfinite(scale[1]));
  }
}

TEST_P(KernelLevels, NormSoftmaxSiluAndWeightedSum) {
  for (const std::size_t n : {1u, 5u, 16u, 33u, 40u, 50u, 80u, 100u, 256u}) {
    const auto x = draw(9, n, 4);
    const auto w = draw(10, n);
    std::vector<float> out(n);
    const float mean = kernels().rms_norm(x.data(), w.data(), static_cast<std::int64_t>(n), 1e-5f, out.data());
    double squares = 0;
    for (const float value : x) squares += static_cast<double>(value) * value;
    EXPECT_NEAR(mean, squares / static_cast<double>(n), 1e-5 * squares);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(out[i], x[i] / std::sqrt(squares / static_cast<double>(n) + 1e-5) * w[i], 2e-6);
    }
    std::vector<float> p = x;
    kernels().softmax(p.data(), static_cast<std::int64_t>(n));
    double total = 0;
    for (const float value : x) total += std::exp(static_cast<double>(value));
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(p[i], std::exp(static_cast<double>(x[i])) / total, 1e-6);
    kernels().silu_times(x.data(), w.data(), static_cast<std::int64_t>(n), out.data());
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(out[i], x[i] / (1 + std::exp(-static_cast<double>(x[i]))) * w[i], 1e-6);
    }
    const auto v = draw(11, 9 * n);
    const auto weights = draw(12, 3);
    const std::vector<int> rows{8, 1, 1};
    std::vector<float> sum(n, 0.5f);
    kernels().weighted_sum(weights.data(), v.data(), static_cast<std::int64_t>(n), rows.data(), 3,
                           static_cast<std::int64_t>(n), sum.data());
    for (std::size_t i = 0; i < n; ++i) {
      double expected = 0.5;
      for (std::size_t r = 0; r < 3; ++r)
        expected += static_cast<double>(weights[r]) * v[static_cast<std::size_t>(rows[r]) * n + i];
      EXPECT_NEAR(sum[i], expected, 1e-6);
    }
  }
  float nan_mean = kernels().rms_norm(std::vector<float>{1, NAN, 2}.data(), std::vector<float>{1, 1, 1}.data(), 3,
                                      1e-5f, std::vector<float>(3).data());
  EXPECT_TRUE(std::isnan(nan_mean));
}

TEST_P(KernelLevels, HalvesWiden) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> out(all.size());
  kernels().widen_bf16(all.data(), 65536, out.data());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(__builtin_bit_cast(std::uint32_t, out[i]), i << 16);
  kernels().widen_f16(all.data(), 65536, out.data());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t exponent = (i >> 10) & 31;
    const double fraction = static_cast<double>(i & 1023) / 1024;
    const double sign = i & 0x8000 ? -1 : 1;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(out[i]), fraction != 0);
      EXPECT_EQ(std::isinf(out[i]), fraction == 0);
    } else if (exponent == 0) {
      EXPECT_EQ(out[i], sign * std::ldexp(fraction, -14));
    } else {
      EXPECT_EQ(out[i], sign * std::ldexp(1 + fraction, static_cast<int>(exponent) - 15));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelLevels, testing::ValuesIn(kernel_levels().begin(), kernel_levels().end()),
                         [](const auto& instance) { return std::string(instance.param->name); });

}  // namespace
}  // namespace specdec

// Every kernel of every level against a naive double loop.
#include "core/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
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

// One stored matrix in every way that it can be packed, with what its weights are.
struct Matrix {
  Panels panels;
  std::vector<std::byte> bytes;
  std::vector<double> values;      // (out, in)
  std::vector<double> magnitudes;  // of the terms that make a value

  Matrix(PanelKind kind, DType scale_dtype, std::int64_t group, std::int64_t out, std::int64_t in) {
    const bool affine = kind == PanelKind::affine4 || kind == PanelKind::affine8;
    const std::int64_t scale_size = scale_dtype == DType::f32 ? 4 : 2;
    const std::int64_t bits = kind == PanelKind::f32       ? 32
                              : kind == PanelKind::affine4 ? 4
                              : kind == PanelKind::affine8 ? 8
                                                           : 16;
    const std::int64_t padded = (in + 15) / 16 * 16;
    panels = {
        .panel_bytes = affine ? kPanel * (in * bits / 8 + 2 * in / group * scale_size) : kPanel * padded * bits / 8,
        .kind = kind,
        .scale_dtype = scale_dtype,
        .group = group,
        .out = out,
        .in = in};
    const std::int64_t count = (out + kPanel - 1) / kPanel;
    bytes.resize(static_cast<std::size_t>(count * panels.panel_bytes));
    panels.data = bytes.data();
    values.resize(static_cast<std::size_t>(out * in));
    magnitudes.resize(values.size());
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t k = 0; k < in; ++k) set(o, k, bits, scale_size);
    }
  }

 private:
  // Draws weight (o, k) and puts it where kernels.h says that it is.
  void set(std::int64_t o, std::int64_t k, std::int64_t bits, std::int64_t scale_size) {
    std::byte* panel = bytes.data() + o / kPanel * panels.panel_bytes;
    const std::int64_t lane = o % kPanel;
    const std::uint64_t number = static_cast<std::uint64_t>(o * panels.in + k);
    const double drawn = 2 * Rng(3).uniform(number) - 1;
    const auto at = static_cast<std::size_t>(number);
    if (bits == 32) values[at] = put(panel + (k * kPanel + lane) * 4, DType::f32, drawn);
    if (bits == 16) {
      values[at] = put(panel + (k / 2 * kPanel + lane) * 4 + k % 2 * 2,
                       panels.kind == PanelKind::bf16 ? DType::bf16 : DType::f16, drawn);
    }
    magnitudes[at] = std::abs(values[at]);
    if (bits >= 16) return;
    const std::int64_t group_bytes = kPanel * (panels.group * bits / 8 + 2 * scale_size);
    std::byte* group = panel + k / panels.group * group_bytes;
    const std::uint64_t parameter = static_cast<std::uint64_t>(o * panels.in + k / panels.group);
    const double scale = put(group + lane * scale_size, panels.scale_dtype, 2 * Rng(5).uniform(parameter) - 1);
    const double bias =
        put(group + (kPanel + lane) * scale_size, panels.scale_dtype, 2 * Rng(6).uniform(parameter) - 1);
    const std::int64_t inside = k % panels.group;
    const auto code = static_cast<unsigned>(Rng(4).bits(number) % (1u << bits));
    std::byte* codes = group + 2 * kPanel * scale_size;
    if (bits == 8) {
      codes[(inside / 4 * kPanel + lane) * 4 + inside % 4] = static_cast<std::byte>(code);
    } else {
      codes[(inside / 8 * kPanel + lane) * 4 + inside % 4] |= static_cast<std::byte>(code << (inside % 8 / 4 * 4));
    }
    values[at] = scale * code + bias;
    magnitudes[at] = std::abs(scale * code) + std::abs(bias);
  }

  // Rounds towards zero, so that nothing but the bits that are kept matters.
  static double put(std::byte* at, DType dtype, double value) {
    auto as_float = static_cast<float>(value);
    auto word = __builtin_bit_cast(std::uint32_t, as_float);
    if (dtype == DType::f32) {
      std::memcpy(at, &word, 4);
      return as_float;
    }
    if (dtype == DType::bf16) {
      word &= 0xffff0000u;
      const auto half = static_cast<std::uint16_t>(word >> 16);
      std::memcpy(at, &half, 2);
      return __builtin_bit_cast(float, word);
    }
    // 1/1024ths in [1, 2) or their negatives: the fraction of an f16.
    const auto fraction = static_cast<std::uint16_t>(std::abs(value) * 1023);
    const auto half = static_cast<std::uint16_t>((value < 0 ? 0x8000 : 0) | 0x3c00 | fraction);
    std::memcpy(at, &half, 2);
    return (value < 0 ? -1 : 1) * (1 + fraction / 1024.0);
  }
};

std::vector<Matrix> matrices(std::int64_t out, std::int64_t in) {
  std::vector<Matrix> all;
  for (const PanelKind kind : {PanelKind::f32, PanelKind::f16, PanelKind::bf16}) {
    all.emplace_back(kind, DType::bf16, 0, out, in);
  }
  for (const std::int64_t group : {32, 64, 128}) {
    if (in % group != 0) continue;
    for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
      all.emplace_back(PanelKind::affine4, dtype, group, out, in);
      all.emplace_back(PanelKind::affine8, dtype, group, out, in);
    }
  }
  return all;
}

// Activations in the type of one of the products, and what they are as numbers.
struct Rows {
  std::int64_t count, in;
  std::vector<float> x;
  std::vector<std::int8_t> q;
  std::vector<float> scale, sum;
  std::vector<std::uint16_t> bf16;

  Rows(const Kernels& kernels, std::int64_t rows, std::int64_t inputs)
      : count(rows), in(inputs), x(draw(7, static_cast<std::size_t>(rows * inputs))) {
    const std::int64_t chunks = (in + kQ8Group - 1) / kQ8Group;
    q.resize(static_cast<std::size_t>(count * chunks * kQ8Group));
    scale.resize(static_cast<std::size_t>(count * chunks));
    sum.resize(scale.size());
    bf16.resize(x.size());
    for (std::int64_t row = 0; row < count; ++row) {
      kernels.quantise(x.data() + row * in, in, q.data() + row * chunks * kQ8Group, scale.data() + row * chunks,
                       sum.data() + row * chunks);
    }
    kernels.narrow_bf16(x.data(), count * in, bf16.data());
  }
  Q8Rows q8() const { return {q.data(), scale.data(), sum.data(), (in + kQ8Group - 1) / kQ8Group * kQ8Group}; }
};

enum class Product { f32, q8, bf16 };

std::vector<Product> products_of(const Kernels& kernels, PanelKind kind) {
  std::vector<Product> all{Product::f32};
  if (kind == PanelKind::affine4 || kind == PanelKind::affine8) all.push_back(Product::q8);
  if (kind == PanelKind::bf16 && kernels.multiply_bf16 != nullptr) all.push_back(Product::bf16);
  return all;
}

// (count, out) with one more column that must stay as it is.
std::vector<float> run(const Kernels& kernels, Product product, const Panels& w, const Rows& x, const int* rows,
                       std::int64_t count) {
  std::vector<float> y(static_cast<std::size_t>(count * (w.out + 1)), -7);
  std::vector<std::byte> scratch(static_cast<std::size_t>(panel_scratch_bytes(w.in)));
  if (product == Product::f32)
    kernels.multiply_f32(w, x.x.data(), x.in, rows, count, y.data(), w.out + 1, scratch.data());
  if (product == Product::q8) kernels.multiply_q8(w, x.q8(), rows, count, y.data(), w.out + 1, scratch.data());
  if (product == Product::bf16)
    kernels.multiply_bf16(w, x.bf16.data(), x.in, rows, count, y.data(), w.out + 1, scratch.data());
  return y;
}

double activation(const Rows& x, Product product, std::int64_t row, std::int64_t k) {
  const auto at = static_cast<std::size_t>(row * x.in + k);
  if (product == Product::f32) return x.x[at];
  if (product == Product::bf16) return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bf16[at]) << 16);
  const auto q = static_cast<std::size_t>(row * x.q8().stride + k);
  return static_cast<double>(x.scale[q / kQ8Group]) * x.q[q];
}

TEST_P(KernelLevels, PanelsEqualANaiveLoop) {
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{{1, 32},   {16, 96}, {21, 128},
                                                                  {40, 640}, {9, 300}, {3, 7}};
  for (const auto& [out, in] : shapes) {
    constexpr std::int64_t kRows = 9;
    const Rows x(kernels(), kRows, in);
    const std::vector<int> rows{8, 0, 3, 3, 1, 7};
    for (const Matrix& matrix : matrices(out, in)) {
      for (const Product product : products_of(kernels(), matrix.panels.kind)) {
        const auto y = run(kernels(), product, matrix.panels, x, rows.data(), 6);
        for (std::size_t i = 0; i < rows.size(); ++i) {
          for (std::int64_t o = 0; o < out; ++o) {
            double sum = 0;
            double magnitude = 0;
            for (std::int64_t k = 0; k < in; ++k) {
              const double value = activation(x, product, rows[i], k);
              sum += matrix.values[static_cast<std::size_t>(o * in + k)] * value;
              magnitude += matrix.magnitudes[static_cast<std::size_t>(o * in + k)] * std::abs(value);
            }
            ASSERT_NEAR(y[i * static_cast<std::size_t>(out + 1) + static_cast<std::size_t>(o)], sum,
                        kOrderOfSummation * magnitude)
                << "kind " << static_cast<int>(matrix.panels.kind) << ", product " << static_cast<int>(product)
                << ", group " << matrix.panels.group << ", out " << out << ", in " << in;
          }
          ASSERT_EQ(y[i * static_cast<std::size_t>(out + 1) + static_cast<std::size_t>(out)], -7) << "wrote too far";
        }
      }
    }
  }
}

TEST_P(KernelLevels, PanelsOfAnyWidthGiveTheBitsOfWidthOne) {
  for (const auto& [out, in] : std::vector<std::pair<std::int64_t, std::int64_t>>{{37, 256}, {16, 100}}) {
    constexpr std::int64_t kRows = 70;
    const Rows x(kernels(), kRows, in);
    for (const Matrix& matrix : matrices(out, in)) {
      for (const Product product : products_of(kernels(), matrix.panels.kind)) {
        std::vector<float> one;
        for (int row = 0; row < kRows; ++row) {
          const auto y = run(kernels(), product, matrix.panels, x, &row, 1);
          one.insert(one.end(), y.begin(), y.end());
        }
        for (std::int64_t width = 2; width <= kRows; ++width) {
          auto all = run(kernels(), product, matrix.panels, x, nullptr, width);
          ASSERT_TRUE(std::equal(all.begin(), all.end(), one.begin()))
              << "width " << width << ", kind " << static_cast<int>(matrix.panels.kind);
        }
      }
    }
  }
}

TEST_P(KernelLevels, QuantiseRoundsToNearestAndKeepsNotFinite) {
  auto x = draw(8, 160, 3);
  x[40] = 0;
  std::vector<std::int8_t> q(160, 1);
  std::vector<float> scale(5), sum(5);
  kernels().quantise(x.data(), 150, q.data(), scale.data(), sum.data());
  for (std::size_t i = 0; i < 150; ++i) EXPECT_NEAR(scale[i / 32] * q[i], x[i], 0.5001f * scale[i / 32]);
  for (std::size_t i = 150; i < 160; ++i) EXPECT_EQ(q[i], 0);
  for (std::size_t g = 0; g < 5; ++g) {
    int total = 0;
    for (std::size_t i = 0; i < 32; ++i) total += q[g * 32 + i];
    EXPECT_FLOAT_EQ(sum[g], scale[g] * static_cast<float>(total));
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    x[70] = bad;
    kernels().quantise(x.data(), 160, q.data(), scale.data(), sum.data());
    EXPECT_FALSE(std::isfinite(scale[2]));
    EXPECT_TRUE(std::isfinite(scale[1]));
  }
}

TEST_P(KernelLevels, NormSoftmaxAndSilu) {
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

TEST_P(KernelLevels, NarrowingToBf16RoundsToNearestEven) {
  const auto bits = [](std::uint32_t value) { return __builtin_bit_cast(float, value); };
  const std::vector<float> x{1.0f,
                             bits(0x3f808000),
                             bits(0x3f818000),
                             bits(0x3f808001),
                             bits(0xbf807fff),
                             -0.0f,
                             bits(0x7f7fffff),
                             INFINITY,
                             -INFINITY,
                             NAN,
                             bits(0x7f800001)};
  std::vector<std::uint16_t> out(x.size());
  kernels().narrow_bf16(x.data(), static_cast<std::int64_t>(x.size()), out.data());
  const std::vector<std::uint16_t> expected{0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xbf80, 0x8000, 0x7f80, 0x7f80, 0xff80};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.begin()));
  for (std::size_t i = expected.size(); i < out.size(); ++i) EXPECT_GT(out[i] & 0x7fff, 0x7f80) << "not a NaN";
}

INSTANTIATE_TEST_SUITE_P(All, KernelLevels, testing::ValuesIn(kernel_levels().begin(), kernel_levels().end()),
                         [](const auto& instance) { return std::string(instance.param->name); });

}  // namespace
}  // namespace specdec

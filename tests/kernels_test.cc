// Every kernel of every level against a naive double loop.
#include "core/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
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

// How codes and scales may lie in panels, besides what Panels itself says.
struct Layout {
  const char* name;
  Panels panels;
};

constexpr std::array<std::uint8_t, 16> kTable{12, 200, 14, 15, 16, 18, 20, 255, 12, 11, 0, 9, 8, 6, 4, 77};

std::vector<Layout> layouts() {
  std::vector<Layout> all{
      {"f32", {.kind = PanelKind::f32}}, {"f16", {.kind = PanelKind::f16}}, {"bf16", {.kind = PanelKind::bf16}}};
  for (const PanelKind kind : {PanelKind::codes4, PanelKind::codes5, PanelKind::codes8}) {
    for (const std::int64_t group : {32, 64, 128}) {
      for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
        all.push_back({"affine", {.kind = kind, .scale_dtype = dtype, .biased = true, .group = group}});
      }
    }
    const float centre = kind == PanelKind::codes4 ? 8 : kind == PanelKind::codes5 ? 16 : 128;
    all.push_back({"centred", {.kind = kind, .scale_dtype = DType::f16, .group = 32, .centre = centre}});
    all.push_back({"k",
                   {.kind = kind,
                    .scale_dtype = DType::u8,
                    .biased = true,
                    .group = 32,
                    .super_group = 256,
                    .super_dtype = DType::f16}});
    if (kind == PanelKind::codes5) continue;
    all.push_back({"k in halves",
                   {.kind = kind,
                    .scale_dtype = DType::u8,
                    .group = 16,
                    .super_group = 256,
                    .super_dtype = DType::f16,
                    .centre = centre,
                    .scale_centre = 128}});
  }
  const Panels table{.kind = PanelKind::codes4,
                     .scale_dtype = DType::f8_e8m0,
                     .group = 32,
                     .centre = 12,
                     .factor = 0.5f,
                     .table = kTable.data()};
  all.push_back({"table", table});
  Panels halves = table;
  halves.scale_dtype = DType::f8_e4m3;
  halves.group = 16;
  all.push_back({"table in halves", halves});
  halves.super_group = 512;  // more than there are inputs
  halves.super_dtype = DType::f32;
  all.push_back({"table in halves, one super-scale", halves});
  all.push_back({"e4m3", {.kind = PanelKind::e4m3, .scale_dtype = DType::f8_e8m0, .group = 32}});
  all.push_back({"e4m3 in ragged groups", {.kind = PanelKind::e4m3, .scale_dtype = DType::f32, .group = 96}});
  return all;
}

// One stored matrix laid out as kernels.h says, with what its weights are.
struct Matrix {
  std::string name;
  Panels panels;
  std::vector<std::byte> bytes;
  std::vector<double> values;      // (out, in)
  std::vector<double> magnitudes;  // of the terms that make a value

  Matrix(const Layout& layout, std::int64_t out, std::int64_t in) : name(layout.name), panels(layout.panels) {
    panels.out = out;
    panels.in = in;
    values.resize(static_cast<std::size_t>(out * in));
    magnitudes.resize(values.size());
    const std::int64_t count = (out + kPanel - 1) / kPanel;
    for (std::int64_t panel = 0; panel < count; ++panel) {
      if (panels.group == 0) {
        fill_plain(panel * kPanel);
      } else {
        fill_coded(panel * kPanel);
      }
    }
    panels.panel_bytes = static_cast<std::int64_t>(bytes.size()) / count;
    panels.data = bytes.data();
  }

 private:
  std::uint64_t drawn_ = 0;

  double draw() { return 2 * Rng(3).uniform(drawn_++) - 1; }

  void set(std::int64_t o, std::int64_t k, double value, double magnitude) {
    if (o >= panels.out) return;
    values[static_cast<std::size_t>(o * panels.in + k)] = value;
    magnitudes[static_cast<std::size_t>(o * panels.in + k)] = magnitude;
  }

  template <typename T>
  void append(T value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof(value));
  }

  // Appends some number of a type and returns it.
  double append_number(DType dtype) {
    if (dtype == DType::f32) {
      const auto value = static_cast<float>(draw());
      append(value);
      return value;
    }
    if (dtype == DType::bf16) {
      const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, static_cast<float>(draw())) & 0xffff0000u;
      append(static_cast<std::uint16_t>(bits >> 16));
      return __builtin_bit_cast(float, bits);
    }
    const double value = draw();
    if (dtype == DType::f16) {  // 1/1024ths in [1, 2) or their negatives
      const auto fraction = static_cast<std::uint16_t>(std::abs(value) * 1023);
      append(static_cast<std::uint16_t>((value < 0 ? 0x8000 : 0) | 0x3c00 | fraction));
      return (value < 0 ? -1 : 1) * (1 + fraction / 1024.0);
    }
    if (dtype == DType::f8_e8m0) {
      const int exponent = static_cast<int>(value * 5);
      append(static_cast<std::uint8_t>(127 + exponent));
      return panels.factor * std::ldexp(1.0, exponent);
    }
    if (dtype == DType::u8) {
      const int number = static_cast<int>(std::abs(value) * 256);
      append(static_cast<std::uint8_t>(number));
      return static_cast<double>(panels.factor) * (number - static_cast<double>(panels.scale_centre));
    }
    const std::uint8_t bits = e4m3(value);
    append(bits);
    return panels.factor * value_of_e4m3(bits);
  }

  // Some number that is not NaN; subnormal ones, too.
  static std::uint8_t e4m3(double value) {
    const int number = static_cast<int>(std::abs(value) * 127);
    return static_cast<std::uint8_t>((value < 0 ? 128 : 0) | number);
  }
  static double value_of_e4m3(int bits) {
    const int exponent = bits >> 3 & 15, mantissa = bits & 7;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    return bits & 128 ? -magnitude : magnitude;
  }

  void fill_plain(std::int64_t first) {
    const std::int64_t padded = (panels.in + 15) / 16 * 16;
    const std::int64_t in_word = panels.kind == PanelKind::f32 ? 1 : 2;
    for (std::int64_t k = 0; k < padded; k += in_word) {
      for (std::int64_t lane = 0; lane < kPanel; ++lane) {
        for (std::int64_t i = 0; i < in_word; ++i) {
          const DType dtype = panels.kind == PanelKind::f32   ? DType::f32
                              : panels.kind == PanelKind::f16 ? DType::f16
                                                              : DType::bf16;
          const double value = append_number(dtype);
          if (k + i < panels.in) set(first + lane, k + i, value, std::abs(value));
        }
      }
    }
  }

  void fill_coded(std::int64_t first) {
    using Lanes = std::array<double, kPanel>;
    const auto append_lanes = [&](DType dtype) {
      Lanes lanes;
      for (double& lane : lanes) lane = append_number(dtype);
      return lanes;
    };
    Lanes ones, super_scales, super_biases;
    ones.fill(1);
    super_scales = super_biases = ones;
    for (std::int64_t k = 0; k < panels.in; k += panels.group) {
      if (panels.super_group != 0 && k % panels.super_group == 0) {
        super_scales = append_lanes(panels.super_dtype);
        if (panels.biased) super_biases = append_lanes(panels.super_dtype);
      }
      Lanes scales = append_lanes(panels.scale_dtype), biases{};
      if (panels.biased) biases = append_lanes(panels.scale_dtype);
      for (std::size_t lane = 0; lane < kPanel; ++lane) {
        scales[lane] *= super_scales[lane];
        biases[lane] *= super_biases[lane];
      }
      fill_codes(first, k, std::min(k + panels.group, panels.in), scales, biases);
    }
  }

  void fill_codes(std::int64_t first, std::int64_t begin, std::int64_t end, const std::array<double, kPanel>& scales,
                  const std::array<double, kPanel>& biases) {
    const std::int64_t in_word = panels.kind == PanelKind::codes8 || panels.kind == PanelKind::e4m3 ? 4 : 8;
    const unsigned codes = panels.kind == PanelKind::codes4 ? 16 : panels.kind == PanelKind::codes5 ? 32 : 256;
    std::size_t upper_bits = 0;  // where those of these 32 inputs are
    for (std::int64_t k = begin; k < end; k += in_word) {
      if (panels.kind == PanelKind::codes5 && k % 32 == 0) {
        upper_bits = bytes.size();
        for (std::int64_t lane = 0; lane < kPanel; ++lane) append(std::uint32_t{0});
      }
      for (std::int64_t lane = 0; lane < kPanel; ++lane) {
        std::uint32_t word = 0;
        for (std::int64_t i = 0; i < in_word; ++i) {
          const auto at = static_cast<std::size_t>(lane);
          auto code = static_cast<std::uint32_t>(Rng(4).bits(drawn_++) >> 32) % codes;
          if (panels.kind == PanelKind::e4m3) code = e4m3(draw());
          word |= (in_word == 8 ? code & 15 : code) << (i % 4 * 8 + i / 4 * 4);
          if (panels.kind == PanelKind::codes5) {
            const std::int64_t input = k % 32 + i;
            bytes[upper_bits + static_cast<std::size_t>(lane * 4 + input % 4)] |=
                static_cast<std::byte>((code >> 4) << (input / 4));
          }
          double value = panels.kind == PanelKind::e4m3 ? value_of_e4m3(static_cast<int>(code))
                         : panels.table != nullptr      ? panels.table[code]
                                                        : code;
          const double magnitude = std::abs(scales[at] * value) + std::abs(scales[at] * panels.centre);
          if (!panels.biased) value -= static_cast<double>(panels.centre);
          set(first + lane, k + i, scales[at] * value + biases[at], magnitude + std::abs(biases[at]));
        }
        append(word);
      }
    }
  }
};

std::vector<Matrix> matrices(std::int64_t out, std::int64_t in) {
  std::vector<Matrix> all;
  for (const Layout& layout : layouts()) {
    const std::int64_t group = layout.panels.kind == PanelKind::e4m3 ? 8 : layout.panels.group;
    const std::int64_t whole = layout.panels.super_group <= 256 ? std::max(group, layout.panels.super_group) : group;
    if (whole == 0 || in % whole == 0) all.emplace_back(layout, out, in);
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
  if (kind == PanelKind::codes4 || kind == PanelKind::codes5 || kind == PanelKind::codes8) all.push_back(Product::q8);
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
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{{1, 32},  {16, 96}, {21, 128}, {40, 640},
                                                                  {9, 300}, {3, 7},   {5, 40},   {17, 72}};
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
                << matrix.name << ", kind " << static_cast<int>(matrix.panels.kind) << ", product "
                << static_cast<int>(product) << ", group " << matrix.panels.group << ", out " << out << ", in " << in;
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
              << "width " << width << ", " << matrix.name << ", kind " << static_cast<int>(matrix.panels.kind);
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

TEST_P(KernelLevels, NormSoftmaxSigmoidAndSilu) {
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
    p = x;
    kernels().sigmoid(p.data(), static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(p[i], 1 / (1 + std::exp(-static_cast<double>(x[i]))), 1e-6);
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

// Over every weight format, on every level: packed weights are the unpacked ones. That rows of a pass do not disturb
// each other in any format is the law of rows_test.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/weights.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

// Multiplies one unit vector after the other.
void expect_packed_as_unpacked(const Weight& weight) {
  const auto in = static_cast<std::size_t>(weight.in), out = static_cast<std::size_t>(weight.out);
  std::vector<float> units(in * in);
  for (std::size_t k = 0; k < in; ++k) units[k * in + k] = 1;
  const Activations activations{.x = units.data(), .stride = weight.in, .q8 = std::nullopt};
  for (const Kernels* kernels : kernel_levels()) {
    SCOPED_TRACE(kernels->name);
    std::vector<float> row(in), y(in * out);
    multiply_panels(weight, 0, weight.out, activations, nullptr, weight.in, y.data(), weight.out, *kernels);
    for (std::size_t o = 0; o < out; ++o) {
      weight.format->unpack(weight, static_cast<std::int64_t>(o), row.data(), *kernels);
      const auto [least, most] = std::ranges::minmax(row);
      ASSERT_LT(least, most) << "weights that tell nothing";
      const float rounding =
          1e-6f * std::max(most, -least);  // a product may add a bias after its scale or fused with it
      for (std::size_t k = 0; k < in; ++k)
        ASSERT_NEAR(y[k * out + o], row[k], rounding) << "(" << o << ", " << k << ")";
    }
  }
}

TEST(Formats, PackedWeightsAreTheUnpackedOnes) {
  for (const QuantFormat& format : quant_formats()) {
    SCOPED_TRACE(format.name);
    const TinyCheckpoint tiny(fmt::format("glm4_moe:{}", format.name));
    WeightFile file(tiny.directory());
    const Weight down = file.linear("model.layers.0.mlp.down_proj", {64, tiny.intermediate()});
    ASSERT_EQ(down.format->name, format.name) << "tests/tiny_checkpoint.cc does not know how to write this format";
    expect_packed_as_unpacked(down);
    expect_packed_as_unpacked(file.linear("model.layers.0.self_attn.o_proj", {64, 64}));
    std::vector<std::int64_t> rows(37);  // the last panel is not full
    std::iota(rows.begin(), rows.end(), 3);
    expect_packed_as_unpacked(file.select(file.table("lm_head", {kTinyVocab, 64}), rows));
  }
}

}  // namespace
}  // namespace specdec

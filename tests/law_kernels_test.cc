// Loops over laws at every level of this machine, against the plain ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/kernels/laws.h"
#include "core/rng.h"

namespace specdec {
namespace {

constexpr std::size_t kSizes[]{1, 2, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 5000};
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> numbers(std::size_t count, std::uint64_t seed, float least, float most) {
  std::vector<float> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back(least + (most - least) * static_cast<float>(Rng(seed).uniform(i)));
  return all;
}

std::int64_t count_of(const std::vector<float>& all) { return static_cast<std::int64_t>(all.size()); }

TEST(LawKernels, TheLargestAndWhereItIs) {
  for (const Kernels* level : kernel_levels()) {
    for (const std::size_t size : kSizes) {
      for (const float shift : {-20.0F, -5.0F, 5.0F}) {
        const auto x = numbers(size, size, shift - 5, shift + 5);
        const auto most = std::ranges::max_element(x);
        const float found = level->laws->largest(x.data(), count_of(x));
        EXPECT_EQ(found, *most) << level->name << ", " << size;
        EXPECT_EQ(level->laws->position_of(x.data(), count_of(x), found), most - x.begin()) << level->name;
      }
      auto x = numbers(size, size, -1, 1);
      EXPECT_EQ(level->laws->position_of(x.data(), count_of(x), 3), count_of(x));
      x.back() = kInf;
      EXPECT_EQ(level->laws->largest(x.data(), count_of(x)), kInf);
      for (const float bad : {std::nanf(""), -std::nanf("")}) {
        x[size / 2] = bad;
        EXPECT_TRUE(std::isnan(level->laws->largest(x.data(), count_of(x)))) << level->name << ", " << size;
      }
      std::ranges::fill(x, -kInf);
      EXPECT_EQ(level->laws->largest(x.data(), count_of(x)), -kInf);
    }
  }
}

TEST(LawKernels, WeightsAreThoseOfExp) {
  for (const Kernels* level : kernel_levels()) {
    for (const std::size_t size : kSizes) {
      auto x = numbers(size, size, -30, 0);
      if (size > 2) x[1] = -kInf;
      if (size > 2) x[2] = -3e38F;
      std::vector<float> out(size, -1);
      const double total = level->laws->weigh(x.data(), count_of(x), 1, 2, out.data());
      double expected = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const double weight = std::exp((static_cast<double>(x[i]) - 1) * 2);
        EXPECT_NEAR(out[i], weight, 1e-5 * weight + 1e-36) << level->name << ", " << size << ", " << i;
        expected += weight;
      }
      EXPECT_NEAR(total, expected, 1e-5 * expected);
      EXPECT_EQ(level->laws->sum(out.data(), count_of(out)), total);
      if (size > 2) {
        EXPECT_EQ(out[1], 0);
      }
    }
  }
}

TEST(LawKernels, ExcessIsWhatIsLeftOfP) {
  for (const Kernels* level : kernel_levels()) {
    for (const std::size_t size : kSizes) {
      const auto p = numbers(size, 1, 0, 1), q = numbers(size, 2, 0, 2);
      std::vector<float> out(size, -1);
      const double mass = level->laws->excess(p.data(), 0.75F, q.data(), 0.25F, count_of(p), out.data());
      double expected = 0;
      for (std::size_t i = 0; i < size; ++i) {
        EXPECT_EQ(out[i], std::max(0.0F, 0.75F * p[i] - 0.25F * q[i]));
        expected += static_cast<double>(out[i]);
      }
      EXPECT_NEAR(mass, expected, 1e-6 * expected);
    }
  }
}

}  // namespace
}  // namespace specdec

#include "core/error.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace specdec {
namespace {

TEST(Error, FormatsItsLine) {
  try {
    throw UsageError("--k {}: expected 1 to {}", 0, 64);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--k 0: expected 1 to 64");
  }
}

// Compared as a string: GoogleTest's regular expressions call regcomp, a name that Oniguruma has too.
TEST(ErrorDeathTest, AssertNamesTheCondition) {
  const std::string line = fmt::format("specdec: this is a bug: {}:{}: 1 + 1 == 3\n", __FILE__, __LINE__ + 1);
  EXPECT_DEATH(SPECDEC_ASSERT(1 + 1 == 3), testing::Eq(line));
}

TEST(Rng, DrawsDependOnlyOnSeedAndForks) {
  const Rng rng(7);
  EXPECT_EQ(rng.fork(3).uniform(5), Rng(7).fork(3).uniform(5));
  EXPECT_NE(rng.fork(3).fork(4).bits(0), rng.fork(4).fork(3).bits(0));
  double sum = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) sum += rng.uniform(i);
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);
}

}  // namespace
}  // namespace specdec

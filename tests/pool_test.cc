#include "core/pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <vector>

namespace specdec {
namespace {

TEST(Pool, EveryTaskRunsOnceJobAfterJob) {
  for (const int threads : {1, 2, 4, 5}) {
    Pool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int job = 0; job < 3000; ++job) {
      const std::int64_t count = job % 101;
      std::array<std::atomic<int>, 101> runs{};
      pool.for_each(count, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
      for (std::int64_t i = 0; i < 101; ++i) ASSERT_EQ(runs[static_cast<std::size_t>(i)], i < count ? 1 : 0);
    }
  }
}

// Every phase adds up what the one before left, so that a task that began early would miss something.
TEST(Pool, APhaseSeesAllOfThePhaseBefore) {
  for (const int threads : {1, 2, 5}) {
    Pool pool(threads);
    for (const std::array<std::int64_t, 5>& counts : {std::array<std::int64_t, 5>{7, 1, 5, 9, 1},
                                                      {1, 1, 6, 0, 4},
                                                      {0, 3, 1, 1, 2},
                                                      {64, 64, 64, 64, 64},
                                                      {0, 0, 1, 0, 0}}) {
      for (int round = 0; round < 100; ++round) {
        std::array<std::vector<std::int64_t>, 6> values;
        values[0] = {1};
        for (std::size_t p = 0; p < 5; ++p) values[p + 1].resize(static_cast<std::size_t>(counts[p]));
        const auto work = [&](std::size_t p) {
          return [&values, p](std::int64_t i) {
            std::int64_t sum = 1;
            for (std::size_t before = 0; before <= p; ++before) {
              for (const std::int64_t value : values[before]) sum = (sum + value) % 1000003;
            }
            values[p + 1][static_cast<std::size_t>(i)] = sum;
          };
        };
        const std::array works{work(0), work(1), work(2), work(3), work(4)};
        std::array<std::vector<std::int64_t>, 6> expected;
        pool.run(std::array{Phase(counts[0], works[0]), Phase(counts[1], works[1]), Phase(counts[2], works[2]),
                            Phase(counts[3], works[3]), Phase(counts[4], works[4])});
        values.swap(expected);
        values[0] = {1};
        for (std::size_t p = 0; p < 5; ++p) {
          values[p + 1].resize(static_cast<std::size_t>(counts[p]));
          for (std::int64_t i = 0; i < counts[p]; ++i) works[p](i);
        }
        EXPECT_EQ(values, expected) << threads << " threads";
      }
    }
  }
}

TEST(Pool, CountsStartsAndBarriers) {
  Pool pool(2);
  const auto nothing = [](std::int64_t) {};
  pool.run(std::array{Phase(1, nothing), Phase(4, nothing), Phase(1, nothing), Phase(4, nothing)});
  EXPECT_EQ(pool.starts(), 1u);
  EXPECT_EQ(pool.barriers(), 2);
  pool.for_each_if_worth(1, 2, 4, nothing);
  EXPECT_EQ(pool.starts(), 1u);
}

}  // namespace
}  // namespace specdec

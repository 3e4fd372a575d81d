#include "experiments/limit.h"

#include <gtest/gtest.h>

namespace specdec {
namespace {

// 1 s, of which 0.9 s in passes; 0.1 s for each GB read, weights of 1 GB.
LimitFacts facts() {
  return {.total_s = 1,
          .passes_s = 0.9,
          .bytes_read = 0,
          .read_bytes_per_s = 10e9,
          .resident_bytes = 1'000'000'000,
          .last_level_cache_bytes = 100'000'000,
          .barrier_count = 0,
          .barrier_s = 1e-6};
}

TEST(Limit, TheLargestShareBinds) {
  EXPECT_EQ(find_limit(facts()).limit, Limit::compute);

  LimitFacts reading = facts();
  reading.bytes_read = 6e9;
  EXPECT_EQ(find_limit(reading).limit, Limit::memory);
  EXPECT_NEAR(find_limit(reading).reading_share, 0.6, 1e-12);
  reading.last_level_cache_bytes = 2'000'000'000;
  EXPECT_EQ(find_limit(reading).limit, Limit::cache);
  EXPECT_TRUE(find_limit(reading).fits_cache);

  LimitFacts waiting = facts();
  waiting.barrier_count = 700'000;
  EXPECT_EQ(find_limit(waiting).limit, Limit::barriers);

  LimitFacts judging = facts();
  judging.passes_s = 0.2;
  EXPECT_EQ(find_limit(judging).limit, Limit::loop);
}

TEST(Limit, SharesAddUpToOneWhateverWasMeasured) {
  for (const double bytes : {0.0, 3e9, 1e12}) {
    for (const double barriers : {0.0, 1e5, 1e9}) {
      for (const double passes_s : {0.0, 0.5, 1.0, 1.1}) {
        LimitFacts some = facts();
        some.bytes_read = bytes;
        some.barrier_count = barriers;
        some.passes_s = passes_s;
        const LimitReport report = find_limit(some);
        EXPECT_NEAR(report.compute_share + report.reading_share + report.barrier_share + report.loop_share, 1, 1e-12);
        for (const double share :
             {report.compute_share, report.reading_share, report.barrier_share, report.loop_share}) {
          EXPECT_GE(share, 0);
        }
      }
    }
  }
}

TEST(Limit, ACacheOfUnknownSizeIsNotFitted) {
  LimitFacts unknown = facts();
  unknown.last_level_cache_bytes = 0;
  EXPECT_FALSE(find_limit(unknown).fits_cache);
}

}  // namespace
}  // namespace specdec

#include "experiments/machine.h"

#include <gtest/gtest.h>

#include <regex>

#include "experiments/provenance.h"

namespace specdec {
namespace {

TEST(Machine, IsDescribed) {
  const Machine machine = this_machine();
  EXPECT_FALSE(machine.cpu.empty());
  EXPECT_GE(machine.cores, 1);
  EXPECT_GT(machine.memory_bytes, 64 << 20);
  EXPECT_GE(machine.last_level_cache_bytes, 0);
}

TEST(Machine, MemoryIsNotForWeightsAlone) {
  constexpr std::int64_t kGb = 1'000'000'000;
  Machine machine;
  machine.memory_bytes = 10 * kGb;
  EXPECT_TRUE(fits_memory(8 * kGb, machine));
  EXPECT_FALSE(fits_memory(9 * kGb, machine));
  EXPECT_TRUE(fits_memory(9 * kGb, {})) << "it is not known";
}

TEST(Machine, RatesAreMeasured) {
  Pool pool(2);
  EXPECT_GT(measure_read_bytes_per_s(pool, 1 << 20, 0.01), 1e8);
  EXPECT_LT(measure_read_bytes_per_s(pool, 1 << 20, 0.01), 1e13);
  EXPECT_GE(measure_barrier_s(pool), 0);
}

TEST(Provenance, NamesVersionAndTime) {
  EXPECT_TRUE(std::regex_match(std::string(version()), std::regex(R"(\d+\.\d+\.\d+(\+\S+)?)"))) << version();
  EXPECT_TRUE(std::regex_match(utc_now(), std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ)"))) << utc_now();
}

}  // namespace
}  // namespace specdec

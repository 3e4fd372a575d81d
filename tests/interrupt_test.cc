#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

namespace specdec {
namespace {

TEST(Interrupt, TheFirstIsAWishAndTheSecondEndsTheProgram) {
  const Interrupt interrupt;
  EXPECT_FALSE(interrupt.came());
  std::raise(SIGINT);
  EXPECT_TRUE(interrupt.came());
  EXPECT_EXIT(std::raise(SIGINT), testing::KilledBySignal(SIGINT), "");
}

TEST(Interrupt, WhatWasThereBeforeComesBack) {
  { const Interrupt interrupt; }
  EXPECT_EXIT(std::raise(SIGINT), testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace specdec

#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

namespace specdec {
namespace {

auto handler_of_interrupts() {
  struct sigaction now {};
  sigaction(SIGINT, nullptr, &now);
  return now.sa_handler;
}

TEST(Interrupt, TheFirstIsAWishAndTheSecondEndsTheProgram) {
  const Interrupt interrupt;
  EXPECT_FALSE(interrupt.came());
  std::raise(SIGINT);
  EXPECT_TRUE(interrupt.came());
  EXPECT_EQ(handler_of_interrupts(), SIG_DFL);
}

TEST(Interrupt, WhatWasThereBeforeComesBack) {
  const auto before = handler_of_interrupts();
  {
    const Interrupt interrupt;
    EXPECT_NE(handler_of_interrupts(), before);
  }
  EXPECT_EQ(handler_of_interrupts(), before);
}

}  // namespace
}  // namespace specdec

// Processes of a test.
//   const pid_t child = start_child([&] { ResultStore(path, mode).claim(…); });
//   EXPECT_EQ(exit_code_of(child), 0);
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>

namespace specdec {

// Ends with 0; with 1 if an expectation failed or an exception came.
inline pid_t start_child(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    work();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
  std::fflush(stdout);
  ::_exit(testing::Test::HasFailure() ? 1 : 0);
}

inline int exit_code_of(pid_t child) {  // 128 + the signal's number if it was killed
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline int exit_code_of(const std::function<void()>& work) { return exit_code_of(start_child(work)); }

}  // namespace specdec

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "core/error.h"
#include "core/memory.h"

namespace {

int fail(const std::exception& error, int exit_code) {
  std::fflush(stdout);
  fmt::print(stderr, "specdec: {}\n", error.what());
  return exit_code;
}

int run(const std::vector<std::string>& words) {
  const int exit_code = specdec::run_command_line(words);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw specdec::Error("cannot write to standard output: {}", std::strerror(errno));
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  specdec::keep_freed_memory();
  try {
    return run({argv + 1, argv + argc});
  } catch (const specdec::UsageError& error) {
    return fail(error, 2);
  } catch (const std::exception& error) {  // Error; what the standard library throws, such as bad_alloc, is told alike
    return fail(error, 1);
  }
}

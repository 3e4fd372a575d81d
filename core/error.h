// Error: the user or the world is wrong. One line: what, where, found, expected, what to do. Caught once, in
// cli/main.cc. SPECDEC_ASSERT: we are wrong. On in every build; SPECDEC_DASSERT only in debug builds, for inner loops.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace specdec {

class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> text, Args&&... args)
      : std::runtime_error(fmt::format(text, std::forward<Args>(args)...)) {}
};

// The command line is wrong: exit code 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace specdec

#define SPECDEC_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::specdec::assertion_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define SPECDEC_DASSERT(condition) void(0)
#else
#define SPECDEC_DASSERT(condition) SPECDEC_ASSERT(condition)
#endif

#include "core/error.h"

#include <cstdlib>

namespace specdec {

void assertion_failed(const char* condition, const char* file, int line) {
  fmt::print(stderr, "specdec: this is a bug: {}:{}: {}\n", file, line, condition);
  std::abort();
}

}  // namespace specdec

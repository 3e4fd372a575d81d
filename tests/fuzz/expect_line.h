// What every loader promises of bytes that it cannot read.
//   expect_line([&] { parse(bytes, "fuzz"); });
#pragma once

#include <string_view>

#include "core/error.h"

namespace specdec {

// Does it; an Error must be of one line.
template <typename Action>
void expect_line(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    SPECDEC_ASSERT(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
}

}  // namespace specdec

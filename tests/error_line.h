// What a user reads when something fails: one line, with all of the words that make it useful.
//   expect_error([&] { load(path); }, {"model.safetensors", "cut off"});
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/error.h"

namespace specdec {

inline void expect_error(const std::function<void()>& action, std::initializer_list<std::string_view> words) {
  try {
    action();
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    for (const std::string_view word : words)
      EXPECT_NE(line.find(word), std::string::npos) << word << " not in: " << line;
    return;
  }
  ADD_FAILURE() << "no Error was thrown; expected one about " << std::string(*words.begin());
}

}  // namespace specdec

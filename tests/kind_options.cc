#include "tests/kind_options.h"

#include <gtest/gtest.h>

#include "tests/temporary_directory.h"

namespace specdec {

std::map<std::string, std::string> needed_options(std::string_view drafter_kind) {
  if (drafter_kind == "self") return {{"skip", "1"}};
  if (drafter_kind == "oracle") return {{"right", "0.7"}};
  if (drafter_kind != "replay") return {};
  static const TemporaryDirectory directory;
  static const std::string trace = [] {
    constexpr int kMost = 220;  // positions; the file is read again for every one of thousands of texts
    std::string tokens = "0";
    for (int position = 1; position < kMost; ++position) {
      tokens += ", " + std::to_string((position % 2 == 0 ? position : position / 3) % 5);
    }
    return directory.write("trace.jsonl", "{\"run\": {}}\n{\"position\": 0, \"emitted\": [" + tokens + "]}\n").string();
  }();
  return {{"text", trace}, {"right", "0.7"}};
}

}  // namespace specdec

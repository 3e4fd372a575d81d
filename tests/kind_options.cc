#include "tests/kind_options.h"

#include <gtest/gtest.h>

#include "tests/temporary_directory.h"

namespace specdec {

std::map<std::string, std::string> needed_options(std::string_view drafter_kind) {
  if (drafter_kind != "replay") return {};
  static const TemporaryDirectory directory;
  static const std::string trace = [] {
    std::string lines = "{\"run\": {}}\n";
    for (int position = 0; position < 400; position += 2) {
      lines += "{\"position\": " + std::to_string(position) + ", \"emitted\": [" + std::to_string(position % 5) + ", " +
               std::to_string(position / 3 % 5) + "]}\n";
    }
    return directory.write("trace.jsonl", lines).string();
  }();
  return {{"text", trace}, {"right", "0.7"}};
}

}  // namespace specdec

#include "draft/traced_text.h"

#include <fmt/format.h>

#include <fstream>

#include "core/error.h"
#include "core/files/json.h"

namespace specdec {

std::map<int, TokenId> read_traced_text(const std::string& path, int vocab) {
  std::ifstream lines(path);
  if (!lines) throw Error("{}: cannot be read; expected the trace of specdec run", path);
  std::map<int, TokenId> text;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", path, ++number);
    const nlohmann::json step = parse_json(line, where);
    if (number == 1) continue;  // of the run
    if (!step.is_object() || !step.contains("position") || !step.contains("emitted") || !step["emitted"].is_array()) {
      throw Error("{}: 'position' or 'emitted' is missing; expected the trace of specdec run", where);
    }
    constexpr int kMostPosition = 1 << 30;
    auto position = static_cast<int>(whole_number(step["position"], "'position'", 0, kMostPosition, where));
    for (const auto& token : step["emitted"]) {
      const std::int64_t id = whole_number(token, "a token of this model", 0, vocab - 1, where);
      text[++position] = TokenId{static_cast<std::int32_t>(id)};
    }
  }
  if (text.empty()) throw Error("{}: no step; expected the trace of specdec run", path);
  return text;
}

}  // namespace specdec

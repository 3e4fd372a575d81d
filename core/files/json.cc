#include "core/files/json.h"

#include <set>
#include <vector>

#include "core/error.h"

namespace specdec {

using nlohmann::json;

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxEscaped = 120;

}  // namespace

json parse_json(std::string_view text, std::string_view origin) {
  std::vector<std::set<std::string>> keys;  // of each object that is open
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) throw Error("{}: JSON nested deeper than {} levels", origin, kMaxDepth);
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw Error("{}: the key {} stands twice in one JSON object", origin, escaped(parsed.get<std::string>()));
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    std::string_view reason = error.what();
    reason.remove_prefix(std::min(reason.find("] ") + 2, reason.size()));  // "[json.exception.parse_error.101] "
    throw Error("{}: not valid JSON: {}", origin, reason.substr(0, 2 * kMaxEscaped));
  }
}

std::string escaped(std::string_view name) {
  std::string text = json(name.substr(0, kMaxEscaped)).dump(-1, ' ', false, json::error_handler_t::replace);
  if (name.size() > kMaxEscaped) text.insert(text.size() - 1, "…");
  return text;
}

}  // namespace specdec

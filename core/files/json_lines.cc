#include "core/files/json_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace specdec {
namespace {

// A list or an object that is open.
struct Open {
  std::string path;
  bool is_list;
  int next = 0;  // element of a list
};

// The first place behind the string that begins at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\' ? 1 : 0;
  return std::min(text.size(), at + 1);
}

}  // namespace

std::string member(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

JsonLines::JsonLines(std::string_view text) : text_(text) {
  std::vector<Open> open;
  std::string path;  // of the value that comes next
  std::size_t at = 0;
  const auto begin_value = [&] {
    if (open.empty() || !open.back().is_list) return;
    path = fmt::format("{}[{}]", open.back().path, open.back().next++);
    places_.emplace(path, at);
  };
  while (at < text.size()) {
    const char c = text[at];
    if (text.substr(at, 2) == "//") {
      at = std::min(text.size(), text.find('\n', at));
    } else if (text.substr(at, 2) == "/*") {
      const std::size_t end = text.find("*/", at + 2);
      at = end == std::string_view::npos ? text.size() : end + 2;
    } else if (c == '"') {
      const std::size_t end = end_of_string(text, at);
      std::size_t next = end;
      while (next < text.size() && std::isspace(static_cast<unsigned char>(text[next])) != 0) ++next;
      if (next < text.size() && text[next] == ':' && !open.empty() && !open.back().is_list) {
        path = member(open.back().path, text.substr(at + 1, end - at - 2));
        places_.emplace(path, at);
      } else {
        begin_value();
      }
      at = end;
    } else if (c == '{' || c == '[') {
      begin_value();
      open.push_back({path, c == '['});
      ++at;
    } else if (c == '}' || c == ']') {
      if (!open.empty()) open.pop_back();
      ++at;
    } else if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-') {
      begin_value();
      while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 ||
                                  std::string_view("+-.").find(text[at]) != std::string_view::npos))
        ++at;
    } else {
      ++at;
    }
  }
}

std::size_t JsonLines::place_of(const std::string& path) const {
  for (std::string around = path; !around.empty();) {
    if (const auto found = places_.find(around); found != places_.end()) return found->second;
    const std::size_t cut = around.find_last_of(".[");
    around.resize(cut == std::string::npos ? 0 : cut);
  }
  return 0;
}

int JsonLines::line_of(const std::string& path) const {
  return 1 + static_cast<int>(std::ranges::count(text_.substr(0, place_of(path)), '\n'));
}

}  // namespace specdec

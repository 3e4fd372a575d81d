#include "tests/type_definitions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <span>

namespace specdec {
namespace {

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Where the literal or comment or line of the preprocessor ends that begins `text`; 0 if none does.
std::size_t skipped(std::string_view text, bool line_begins) {
  const auto after = [&](std::string_view end, std::size_t from) {
    const std::size_t found = text.find(end, from);
    return found == text.npos ? text.size() : found + end.size();
  };
  if (text.starts_with("//")) return after("\n", 2);
  if (text.starts_with("/*")) return after("*/", 2);
  if (text.starts_with("R\"")) {
    const std::size_t open = std::min(text.find('('), text.size());
    return after(fmt::format("){}\"", text.substr(2, open - 2)), open);
  }
  if (text.front() == '#' && line_begins) {
    std::size_t end = after("\n", 0);
    while (end < text.size() && end >= 2 && text[end - 2] == '\\') end = after("\n", end);
    return end;
  }
  if (text.front() != '"' && text.front() != '\'') return 0;
  std::size_t end = 1;
  while (end < text.size() && text[end] != text.front()) end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

// Words, "::" and single characters, without comments, literals and the preprocessor's lines.
std::vector<std::string_view> tokens_of(std::string_view source) {
  std::vector<std::string_view> tokens;
  bool line_begins = true;
  for (std::size_t at = 0; at < source.size();) {
    const std::string_view rest = source.substr(at);
    if (const std::size_t length = skipped(rest, line_begins); length > 0) {
      at += length;
      continue;
    }
    if (std::isspace(static_cast<unsigned char>(rest.front())) != 0) {
      line_begins = line_begins || rest.front() == '\n';
      ++at;
      continue;
    }
    line_begins = false;
    std::size_t length = rest.starts_with("::") ? 2 : 1;
    // A quote inside of a number separates digits.
    if (in_word(rest.front())) {
      const bool number = std::isdigit(static_cast<unsigned char>(rest.front())) != 0;
      while (length < rest.size() && (in_word(rest[length]) || (number && rest[length] == '\''))) ++length;
    }
    tokens.push_back(rest.substr(0, length));
    at += length;
  }
  return tokens;
}

struct Scope {
  bool seen;         // whether other files see what is defined in it
  std::string path;  // "a::B::"
};

using Head = std::span<const std::string_view>;  // of a block: what stands between the statement before and its brace

// Behind the bracket that closes the one at `at`.
std::size_t behind(Head head, std::size_t at, std::string_view open, std::string_view close) {
  int depth = 0;
  for (; at < head.size(); ++at) {
    if (head[at] == open) ++depth;
    if (head[at] == close && --depth == 0) return at + 1;
  }
  return at;
}

// The name of the type that a block with this head defines.
std::optional<std::string> defined_type(Head head) {
  std::size_t at = 0;
  while (at < head.size() && head[at] == "template") at = behind(head, at + 1, "<", ">");
  while (at < head.size() && (head[at] == "typedef" || head[at] == "static" || head[at] == "inline" ||
                              head[at] == "constexpr" || head[at] == "const"))
    ++at;
  if (at == head.size()) return std::nullopt;
  const bool is_enum = head[at] == "enum";
  if (!is_enum && head[at] != "class" && head[at] != "struct" && head[at] != "union") return std::nullopt;
  ++at;
  if (is_enum && at < head.size() && (head[at] == "class" || head[at] == "struct")) ++at;
  while (at < head.size() && (head[at] == "[" || head[at] == "alignas")) {
    at = head[at] == "[" ? behind(head, at, "[", "]") : behind(head, at + 1, "(", ")");
  }
  std::string name;
  for (; at < head.size(); ++at) {
    if (head[at] != "::" && (!in_word(head[at].front()) || !(name.empty() || name.ends_with("::")))) break;
    name += head[at];
  }
  if (at < head.size() && head[at] == "<") {  // a specialisation
    const std::size_t end = behind(head, at, "<", ">");
    for (; at < end; ++at) name += head[at];
  }
  if (name.empty() || (at < head.size() && head[at] != ":" && head[at] != "final")) return std::nullopt;
  return name;
}

}  // namespace

std::vector<std::string> type_definitions(std::string_view source) {
  const std::vector<std::string_view> tokens = tokens_of(source);
  std::vector<std::string> types;
  std::vector<Scope> scopes{{true, ""}};
  std::size_t begin = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    const bool access = token == ":" && i > 0 &&
                        (tokens[i - 1] == "public" || tokens[i - 1] == "protected" || tokens[i - 1] == "private");
    if (token == "{") {
      const Head head(tokens.data() + begin, i - begin);
      Scope inner{false, scopes.back().path};
      if (!head.empty() && head.front() == "namespace") {
        inner.seen = scopes.back().seen && head.size() > 1;
        for (const std::string_view part : head.subspan(1)) inner.path += part;
        inner.path += "::";
      } else if (const std::optional<std::string> name = defined_type(head)) {
        inner.seen = scopes.back().seen;
        if (inner.seen) types.push_back(inner.path + *name);
        inner.path += *name + "::";
      }
      scopes.push_back(std::move(inner));
    } else if (token == "}") {
      if (scopes.size() > 1) scopes.pop_back();
    } else if (token != ";" && !(access && begin == i - 1)) {
      continue;
    }
    begin = i + 1;
  }
  return types;
}

}  // namespace specdec

#include "core/name_pattern.h"

#include <algorithm>

namespace specdec {
namespace {

constexpr std::string_view kRegex = "re:";

// Glob matching in time of the product of the lengths.
bool matches_glob(std::string_view glob, std::string_view text) {
  std::size_t g = 0, t = 0, star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      taken = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

// "a(b|c)d" -> "abd", "acd"; nothing if a bracket is not closed or inside another.
std::optional<std::vector<std::string>> alternatives(std::string_view text) {
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos) return std::vector<std::string>{std::string(text)};
  const std::size_t close = text.find(')', open);
  if (close == std::string_view::npos) return std::nullopt;
  std::vector<std::string> all;
  std::size_t begin = open + 1;
  while (begin <= close) {
    const std::size_t end = std::min(text.find('|', begin), close);
    all.push_back(std::string(text.substr(0, open)) + std::string(text.substr(begin, end - begin)) +
                  std::string(text.substr(close + 1)));
    begin = end + 1;
  }
  return all;
}

// As re.match reads it: from the beginning, to wherever.
std::optional<std::string> glob_of(std::string_view regex) {
  if (regex.starts_with('^')) regex.remove_prefix(1);
  const bool whole = regex.ends_with('$');
  if (whole) regex.remove_suffix(1);
  std::string glob;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    if (regex[i] == '\\' && i + 1 < regex.size() && regex[i + 1] == '.') {
      glob += regex[++i];
    } else if (regex[i] == '.' && i + 1 < regex.size() && regex[i + 1] == '*') {
      glob += '*';
      ++i;
    } else if (regex[i] == '.') {
      glob += '?';
    } else if (std::string_view("\\^$*+?()[]{}|").find(regex[i]) != std::string_view::npos) {
      return std::nullopt;
    } else {
      glob += regex[i];
    }
  }
  return whole ? glob : glob + "*";
}

}  // namespace

std::optional<NamePattern> NamePattern::parse(std::string_view text) {
  NamePattern pattern;
  if (!text.starts_with(kRegex)) {
    const std::string name(text);
    pattern.globs_ = {name, "*." + name, name + ".*", "*." + name + ".*"};
    return pattern;
  }
  const auto all = alternatives(text.substr(kRegex.size()));
  if (!all) return std::nullopt;
  for (const std::string& regex : *all) {
    const std::optional<std::string> glob = glob_of(regex);
    if (!glob) return std::nullopt;
    pattern.globs_.push_back(*glob);
  }
  return pattern;
}

bool NamePattern::matches(std::string_view module) const {
  return std::ranges::any_of(globs_, [&](const std::string& glob) { return matches_glob(glob, module); });
}

}  // namespace specdec

// The patterns with which quantization blocks name modules: names, "*" for anything, and the simple regular expressions
// after "re:" that published configs hold.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

class NamePattern {
 public:
  // Nothing if the regular expression has more than characters, ".", ".*", "\.", "^", "$" and one "(a|b)".
  static std::optional<NamePattern> parse(std::string_view text);

  // A plain name stands for a module of this name wherever it is, and for everything inside it.
  bool matches(std::string_view module) const;

 private:
  std::vector<std::string> globs_;  // "*": anything; "?": one character
};

}  // namespace specdec

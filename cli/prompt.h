// Where the text to continue comes from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace specdec {

struct Prompt {
  std::string text;
  std::string_view source;  // "--prompt", "--prompt-file", "standard input" or "built in"
};

// --prompt, else --prompt-file, else standard input unless that is a terminal or holds nothing, else the built-in one.
// Throws UsageError when both options are given, Error when the file cannot be read.
Prompt choose_prompt(const std::optional<std::string>& text, const std::optional<std::string>& file);

std::string_view built_in_prompt();

}  // namespace specdec

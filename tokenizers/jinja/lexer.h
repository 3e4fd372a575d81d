// The tokens of a Jinja template, with white space already gone as trim_blocks and lstrip_blocks want it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace specdec::jinja {

struct Token {
  enum class Kind { data, print_begin, print_end, block_begin, block_end, name, string, integer, real, sign, end };
  Kind kind;
  int line;
  std::string text;  // of data, names and signs as written; of strings without quotes and escapes
  std::int64_t integer = 0;
  double real = 0;
};

// An error while reading: it knows its line, and Template says of which file.
struct SyntaxError {
  int line;
  std::string what;
};

// Throws SyntaxError. Always ends with a token `end`.
std::vector<Token> tokens_of(std::string_view source);

}  // namespace specdec::jinja

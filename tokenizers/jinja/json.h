// JSON as Python's json module reads and writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

// Throws Error that begins with the origin.
Value read_json(std::string_view text, std::string_view origin);

struct JsonStyle {
  bool ascii = false, sorted = false;
  std::optional<std::string> indent = {};  // of one level; none: all on one line
  std::string between_items = ", ", after_key = ": ";
};

// Throws Error for what JSON has no form for.
std::string written_json(const Value& value, const JsonStyle& style, Work& work);

}  // namespace specdec::jinja

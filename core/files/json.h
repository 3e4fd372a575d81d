// Reading JSON that nobody vouches for. Only .cc files include this.
//   nlohmann::json index = parse_json(MappedFile(path).text(), path.string());
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace specdec {

enum class Comments { refused, allowed };

// Throws Error, one line that starts with `origin`, if the text is not one JSON value, a key stands twice in an object
// or the nesting is deeper than 64.
nlohmann::json parse_json(std::string_view text, std::string_view origin, Comments comments = Comments::refused);

// A whole number in its range, of the trace of a run. Throws Error naming `where` and `what` if it is none.
std::int64_t whole_number(const nlohmann::json& value, std::string_view what, std::int64_t least, std::int64_t most,
                          const std::string& where);

// The name in double quotes, escaped so that it stays on one line, and cut if it is long: for error messages.
std::string escaped(std::string_view name);

}  // namespace specdec

#include "tokenizers/jinja/arguments.h"

#include <algorithm>

#include "core/error.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {

void bind_arguments(std::string_view function, const Arguments& arguments, std::span<const std::string_view> parameters,
                    std::span<const Value*> places) {
  if (arguments.given.size() > parameters.size()) {
    throw Error("{} takes at most {} arguments, found {}", excerpt(function), parameters.size(),
                arguments.given.size());
  }
  for (std::size_t i = 0; i < arguments.given.size(); ++i) places[i] = &arguments.given[i];
  for (const auto& [name, value] : arguments.named) {
    const auto place = static_cast<std::size_t>(std::ranges::find(parameters, name) - parameters.begin());
    if (place == parameters.size()) throw Error("{} has no parameter '{}'", excerpt(function), excerpt(name));
    if (places[place] != nullptr) throw Error("{} is given '{}' twice", excerpt(function), excerpt(name));
    places[place] = &value;
  }
}

const Value& needed_argument(std::string_view function, const Value* value) {
  if (value == nullptr) throw Error("{} lacks an argument", function);
  return *value;
}

const std::string& text_argument(std::string_view function, const Value* value) {
  const Value& needed = needed_argument(function, value);
  if (needed.is_undefined()) throw Error("{}", needed.why_undefined());
  if (!needed.is_text()) throw Error("{}: expected a str, found a {}", function, needed.type());
  return needed.text();
}

std::int64_t whole_argument(std::string_view function, const Value* value, std::int64_t otherwise) {
  if (value == nullptr) return otherwise;
  if (value->is_undefined()) throw Error("{}", value->why_undefined());
  if (!value->is_whole()) throw Error("{}: expected an int, found a {}", function, value->type());
  return value->whole();
}

}  // namespace specdec::jinja

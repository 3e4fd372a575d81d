// The arguments of a function, by the names of its parameters.
//   const auto [separator, most] = bound<2>("split", arguments, {"sep", "maxsplit"});   // null: not given
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

// The places of the parameters are filled in order, then by name. Throws Error if something is left over or comes
// twice.
void bind_arguments(std::string_view function, const Arguments& arguments, std::span<const std::string_view> parameters,
                    std::span<const Value*> places);

template <std::size_t kCount>
std::array<const Value*, kCount> bound(std::string_view function, const Arguments& arguments,
                                       const std::array<std::string_view, kCount>& parameters) {
  std::array<const Value*, kCount> places{};
  bind_arguments(function, arguments, parameters, places);
  return places;
}

// Of an argument; null: `otherwise`, or an Error if there is none. Throw Error for another type.
const std::string& text_argument(std::string_view function, const Value* value);
std::int64_t whole_argument(std::string_view function, const Value* value, std::int64_t otherwise);
const Value& needed_argument(std::string_view function, const Value* value);

}  // namespace specdec::jinja

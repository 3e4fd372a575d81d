// Where a text is in another. That takes up to the product of both lengths, which is spent as it arises.
#pragma once

#include <cstddef>
#include <string_view>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

// The first and the last place, as find() and rfind() of std::string_view; npos if there is none.
std::size_t find_text(std::string_view text, std::string_view wanted, Work& work);
std::size_t find_last_text(std::string_view text, std::string_view wanted, Work& work);

}  // namespace specdec::jinja

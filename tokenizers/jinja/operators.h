// Python's operators.
#pragma once

#include <string_view>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

// sign: + - * / // % **. Throw Error if Python has no such operation, or it is not supported.
Value arithmetic(std::string_view sign, const Value& a, const Value& b, Work& work);
Value negated(const Value& value);
bool contains(const Value& container, const Value& item, Work& work);

// One step of a comparison: == != < <= > >= in, not in.
bool compared(std::string_view sign, const Value& a, const Value& b, Work& work);

}  // namespace specdec::jinja

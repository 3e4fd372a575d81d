// Filters and tests of Jinja, as transformers sets them up.
#pragma once

#include <string>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

// Throw Error for a filter or test that is not supported, and for what Python would not do.
Value filtered(const std::string& filter, const Value& value, const Arguments& arguments, Work& work);
bool passes(const std::string& test, const Value& value, const Arguments& arguments, Work& work);

}  // namespace specdec::jinja

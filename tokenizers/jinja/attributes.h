// value.name, value[key] and value[first:last:step], with the methods of Python's texts, lists and dicts that do not
// change them.
#pragma once

#include <string>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

// Undefined if there is none. Throw Error for an undefined value, and for what is not supported.
Value attribute_of(const Value& value, const std::string& name, Work& work);
Value item_of(const Value& value, const Value& key, Work& work);
// Null: not given.
Value slice_of(const Value& value, const Value* first, const Value* last, const Value* step, Work& work);

// A method of str; undefined if there is none of that name.
Value text_method(const Value& text, const std::string& name, Work& work);

// "a.b.0" of filters, as items of items.
Value item_by_path(const Value& value, const std::string& path, Work& work);

}  // namespace specdec::jinja

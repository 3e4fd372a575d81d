#include "tokenizers/jinja/attributes.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "tokenizers/jinja/arguments.h"
#include "tokenizers/jinja/python_text.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

Value nothing(const Value& value, std::string_view what, std::string_view name) {
  return Value(Undefined{fmt::format("a {} has no {} '{}'", value.type(), what, excerpt(name))});
}

Value whole(std::size_t number) { return Value(static_cast<std::int64_t>(number)); }

template <typename Names>
bool is_among(std::string_view name, const Names& names) {
  return std::ranges::find(names, name) != names.end();
}

Value view_of(const Dict& dict, SequenceKind kind, Work& work) {
  work.spend_items(dict.items().size());
  std::vector<Value> items;
  for (const auto& [key, value] : dict.items()) {
    if (kind == SequenceKind::keys) items.push_back(key);
    if (kind == SequenceKind::values) items.push_back(value);
    if (kind == SequenceKind::items) items.emplace_back(std::vector<Value>{key, value}, SequenceKind::tuple);
  }
  return Value(std::move(items), kind);
}

Value dict_get(const Value& self, const Arguments& arguments, Work& work) {
  const auto [key, otherwise] = bound<2>("get", arguments, {"key", "default"});
  const Value* found = self.dict()->find(needed_argument("get", key), work);
  return found != nullptr ? *found : otherwise != nullptr ? *otherwise : Value(None{});
}

Value dict_method(const Value& self, const std::string& name, Work& work) {
  constexpr std::array<std::string_view, 6> kChanging{"clear", "pop", "popitem", "setdefault", "update", "fromkeys"};
  if (name == "get") {
    return Value::method(self, name, [self, &work](const Arguments& given) { return dict_get(self, given, work); });
  }
  if (name == "copy") return Value::method(self, name, [self](const Arguments&) { return self; });
  for (const auto& [view, kind] : {std::pair{"keys", SequenceKind::keys}, std::pair{"values", SequenceKind::values},
                                   std::pair{"items", SequenceKind::items}}) {
    if (name != view) continue;
    return Value::method(self, name, [self, &work, kind = kind, name](const Arguments& given) {
      bound<0>(name, given, {});
      return view_of(*self.dict(), kind, work);
    });
  }
  if (is_among(name, kChanging)) throw Error("the method {} of a dict is not supported", name);
  return Value();
}

Value list_method(const Value& self, const std::string& name, Work& work) {
  constexpr std::array<std::string_view, 9> kChanging{"append", "clear",  "copy",    "extend", "insert",
                                                      "pop",    "remove", "reverse", "sort"};
  if (name == "count" || name == "index") {
    return Value::method(self, name, [self, &work, name](const Arguments& arguments) {
      const Value& wanted = needed_argument(name, bound<1>(name, arguments, {"value"})[0]);
      const std::vector<Value>& items = self.sequence()->items;
      const auto same = [&](const Value& item) { return equal(item, wanted, work); };
      if (name == "count") return Value(std::int64_t{std::ranges::count_if(items, same)});
      const auto found = std::ranges::find_if(items, same);
      if (found == items.end()) throw Error("index: the value is not in the list");
      return Value(std::int64_t{found - items.begin()});
    });
  }
  if (is_among(name, kChanging)) throw Error("the method {} of a list is not supported", name);
  return Value();
}

Value loop_attribute(const Value& value, const std::string& name) {
  const Loop& loop = *value.loop();
  const std::size_t count = loop.items.size();
  if (name == "index") return whole(loop.index + 1);
  if (name == "index0") return whole(loop.index);
  if (name == "revindex") return whole(count - loop.index);
  if (name == "revindex0") return whole(count - loop.index - 1);
  if (name == "first") return Value(loop.index == 0);
  if (name == "last") return Value(loop.index + 1 == count);
  if (name == "length") return whole(count);
  if (name == "depth") return whole(1);
  if (name == "depth0") return whole(0);
  if (name == "previtem") {
    return loop.index > 0 ? loop.items[loop.index - 1] : Value(Undefined{"there is no previous item"});
  }
  if (name == "nextitem") {
    return loop.index + 1 < count ? loop.items[loop.index + 1] : Value(Undefined{"there is no next item"});
  }
  if (name == "cycle") {
    return Value(Function{name, [index = loop.index](const Arguments& arguments) {
                            if (arguments.given.empty()) throw Error("cycle lacks an argument");
                            return arguments.given[index % arguments.given.size()];
                          }});
  }
  if (name == "changed") throw Error("loop.changed is not supported");
  return nothing(value, "attribute", name);
}

// Of Python's, those of any value, which templates must not see.
void refuse_inner(const std::string& name) {
  if (name.starts_with("__")) throw Error("the attribute {} is not supported", excerpt(name));
}

Value method_of(const Value& value, const std::string& name, Work& work) {
  if (value.is_text()) return text_method(value, name, work);
  if (value.dict() != nullptr) return dict_method(value, name, work);
  const Sequence* sequence = value.sequence();
  const bool is_list = sequence != nullptr && sequence->kind != SequenceKind::keys &&
                       sequence->kind != SequenceKind::values && sequence->kind != SequenceKind::items;
  return is_list ? list_method(value, name, work) : Value();
}

bool is_indexed(const Value& value) {
  return value.sequence() != nullptr &&
         (value.sequence()->kind == SequenceKind::list || value.sequence()->kind == SequenceKind::tuple ||
          value.sequence()->kind == SequenceKind::range);
}

Value character_at(const Value& value, std::int64_t index, Work& work) {
  work.spend(value.text().size() / 8 + 1);
  std::int64_t left = index < 0 ? index + static_cast<std::int64_t>(length_of(value.text())) : index;
  for (std::string_view rest = value.text(); left >= 0 && !rest.empty(); --left) {
    const std::size_t length = utf8_front(rest).length;
    if (left == 0) return Value::like(value, std::string(rest.substr(0, length)));
    rest.remove_prefix(length);
  }
  return nothing(value, "item", std::to_string(index));
}

Value at_index(const Value& value, std::int64_t index) {
  const std::vector<Value>& items = value.sequence()->items;
  const auto count = static_cast<std::int64_t>(items.size());
  const std::int64_t at = index < 0 ? index + count : index;
  return at < 0 || at >= count ? nothing(value, "item", std::to_string(index)) : items[static_cast<std::size_t>(at)];
}

// What a slice takes of `count` items: from `first`, so many, each `step` further. Python's slice.indices().
struct Slice {
  std::int64_t first, count, step;
};

Slice indices(const Value* first, const Value* last, const Value* step, std::int64_t count) {
  const auto bound_of = [](const Value* value) {
    if (value != nullptr && !value->is_none() && !value->is_whole()) {
      if (value->is_undefined()) throw Error("{}", value->why_undefined());
      throw Error("the bounds of a slice are whole numbers, found a {}", value->type());
    }
    return value == nullptr || value->is_none() ? nullptr : value;
  };
  const std::int64_t by = bound_of(step) == nullptr ? 1 : step->whole();
  if (by == 0) throw Error("the step of a slice is 0");
  const std::int64_t low = by > 0 ? 0 : -1, high = by > 0 ? count : count - 1;
  const auto clamped = [&](const Value* value, std::int64_t otherwise) {
    if (bound_of(value) == nullptr) return otherwise;
    const std::int64_t at = value->whole();
    return std::clamp(at < 0 ? std::max(at, -count - 1) + count : at, low, high);
  };
  const std::int64_t from = clamped(first, by > 0 ? low : high);
  const std::int64_t to = clamped(last, by > 0 ? high : low);
  const std::int64_t far = by > 0 ? to - from : from - to;
  const std::int64_t stride = by == INT64_MIN ? INT64_MAX : by > 0 ? by : -by;
  return {from, far <= 0 ? 0 : (far - 1) / stride + 1, by};
}

}  // namespace

Value attribute_of(const Value& value, const std::string& name, Work& work) {
  work.spend(1);
  if (value.is_undefined()) throw Error("{}", value.why_undefined());
  if (value.loop() != nullptr) return loop_attribute(value, name);
  if (value.space() != nullptr) {
    const auto found = value.space()->values.find(name);
    return found == value.space()->values.end() ? nothing(value, "attribute", name) : found->second;
  }
  const Value method = method_of(value, name, work);
  if (!method.is_undefined()) return method;
  const Value* found = value.dict() != nullptr ? value.dict()->find(Value(name), work) : nullptr;
  if (found != nullptr) return *found;
  refuse_inner(name);
  return nothing(value, "attribute", name);
}

Value item_of(const Value& value, const Value& key, Work& work) {
  work.spend(1);
  if (value.is_undefined()) throw Error("{}", value.why_undefined());
  if (key.is_whole() && value.is_text()) return character_at(value, key.whole(), work);
  if (key.is_whole() && is_indexed(value)) return at_index(value, key.whole());
  if (value.dict() != nullptr) {
    const Value* found = value.dict()->find(key, work);
    if (found != nullptr) return *found;
  }
  if (key.is_text()) return attribute_of(value, key.text(), work);
  return nothing(value, "item", key.is_undefined() ? "" : str(key, work));
}

Value slice_of(const Value& value, const Value* first, const Value* last, const Value* step, Work& work) {
  if (value.is_undefined()) throw Error("{}", value.why_undefined());
  const auto each = [&](std::size_t size, const auto& use) {
    const Slice slice = indices(first, last, step, static_cast<std::int64_t>(size));
    for (std::int64_t i = 0; i < slice.count; ++i) use(static_cast<std::size_t>(slice.first + i * slice.step));
  };
  if (value.is_text()) {
    work.spend_items(value.text().size());
    const std::vector<std::string_view> characters = characters_of(value.text());
    std::string text;
    each(characters.size(), [&](std::size_t i) { text += characters[i]; });
    return Value::like(value, std::move(text));
  }
  if (!is_indexed(value)) return nothing(value, "item", "slice");
  const std::vector<Value>& all = value.sequence()->items;
  work.spend_items(all.size());
  std::vector<Value> items;
  each(all.size(), [&](std::size_t i) { items.push_back(all[i]); });
  return Value(std::move(items), value.sequence()->kind);
}

Value item_by_path(const Value& value, const std::string& path, Work& work) {
  Value found = value;
  for (const std::string_view part : split_at(path, ".", -1, work)) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = error == std::errc() && end == part.data() + part.size() && part.front() != '-';
    found = item_of(found, is_index ? Value(index) : Value(part), work);
  }
  return found;
}

}  // namespace specdec::jinja

#include "tokenizers/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tokenizers/jinja/python_text.h"

namespace specdec::jinja {
namespace {

// Equal keys have equal names: 1, 1.0 and true are one key of Python.
std::string name_of_text(std::string_view text) { return fmt::format("s{}", text); }

std::string key_name(const Value& key, Work& work) {
  work.spend(1);
  if (key.is_text()) {
    work.spend_text(key.text().size());
    return name_of_text(key.text());
  }
  if (key.is_none()) return "n";
  if (key.is_whole()) return fmt::format("i{}", key.whole());
  if (key.is_real()) {
    const double real = key.real();
    const bool whole = std::nearbyint(real) == real && std::abs(real) < 0x1p62;
    return whole ? fmt::format("i{}", static_cast<std::int64_t>(real)) : fmt::format("f{}", real);
  }
  const Sequence* tuple = key.sequence();
  if (tuple == nullptr || tuple->kind != SequenceKind::tuple) throw Error("a {} cannot be a key", key.type());
  std::string name = "t";
  for (const Value& item : tuple->items) {
    const std::string part = key_name(item, work);
    work.spend_growth(name.size(), part.size());
    name += fmt::format("{}:{}", part.size(), part);
  }
  return name;
}

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b, Work& work) {
  return a.size() == b.size() &&
         std::ranges::equal(a, b, [&](const Value& x, const Value& y) { return equal(x, y, work); });
}

bool equal_dicts(const Dict& a, const Dict& b, Work& work) {
  return a.items().size() == b.items().size() && std::ranges::all_of(a.items(), [&](const auto& item) {
           const Value* other = b.find(item.first, work);
           return other != nullptr && equal(item.second, *other, work);
         });
}

template <typename Number>
int order(Number a, Number b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

std::string joined_reprs(const std::vector<Value>& items, Work& work) {
  std::string text;
  for (const Value& item : items) {
    if (!text.empty()) text += ", ";
    const std::string part = repr(item, work);
    work.spend_growth(text.size(), part.size());
    text += part;
  }
  return text;
}

std::string repr_of(const Sequence& sequence, Work& work) {
  const std::string inside = joined_reprs(sequence.items, work);
  switch (sequence.kind) {
    case SequenceKind::list:
      return fmt::format("[{}]", inside);
    case SequenceKind::tuple:
      return fmt::format("({}{})", inside, sequence.items.size() == 1 ? "," : "");
    case SequenceKind::keys:
      return fmt::format("dict_keys([{}])", inside);
    case SequenceKind::values:
      return fmt::format("dict_values([{}])", inside);
    case SequenceKind::items:
      return fmt::format("dict_items([{}])", inside);
    case SequenceKind::range:
      break;
  }
  throw Error("printing a range is not supported; give range(…)|list");
}

std::string repr_of(const Dict& dict, Work& work) {
  std::string text;
  for (const auto& [key, value] : dict.items()) {
    if (!text.empty()) text += ", ";
    const std::string part = fmt::format("{}: {}", repr(key, work), repr(value, work));
    work.spend_growth(text.size(), part.size());
    text += part;
  }
  return fmt::format("{{{}}}", text);
}

}  // namespace

int depth_around(const std::vector<Value>& items) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  if (deepest >= Value::kMostDepth) throw Error("nests values more than {} deep", Value::kMostDepth);
  return deepest + 1;
}

void Dict::set_named(std::string name, const Value& key, const Value& value) {
  const auto [place, is_new] = places_.emplace(std::move(name), items_.size());
  if (is_new) {
    items_.emplace_back(key, value);
  } else {
    items_[place->second].second = value;
  }
  depth_ = std::max(depth_, depth_around({key, value}));
}

const Value* Dict::find_named(const std::string& name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &items_[found->second].second;
}

void Dict::set(std::string_view key, const Value& value) { set_named(name_of_text(key), Value(key), value); }

const Value* Dict::find(std::string_view key) const { return find_named(name_of_text(key)); }

void Dict::set(const Value& key, const Value& value, Work& work) { set_named(key_name(key, work), key, value); }

const Value* Dict::find(const Value& key, Work& work) const { return find_named(key_name(key, work)); }

Value::Value(std::vector<Value> items, SequenceKind kind) {
  const int depth = depth_around(items);
  held_ = std::make_shared<const Sequence>(Sequence{kind, std::move(items), depth});
}

Value Value::iterator(std::vector<Value> items) {
  Value value;
  const int depth = depth_around(items);
  value.held_ = std::make_shared<Iterator>(Iterator{std::move(items), 0, depth});
  return value;
}

Value Value::safe(std::string text) {
  Value value(std::move(text));
  value.safe_ = true;
  return value;
}

Value Value::like(const Value& original, std::string text) {
  return original.is_safe() ? safe(std::move(text)) : Value(std::move(text));
}

std::string escaped_text(const Value& value, Work& work) {
  if (!value.is_text()) throw Error("expected a str, found a {}", value.type());
  work.spend_characters(value.text().size());
  std::string text = value.is_safe() ? value.text() : html_of(value.text());
  work.spend_text(text.size());
  return text;
}

Value Value::method(const Value& self, std::string name, std::function<Value(const Arguments&)> call) {
  return Value(Function{std::move(name), std::move(call), depth_around({self})});
}

std::int64_t Value::whole() const { return is_boolean() ? boolean() : std::get<std::int64_t>(held_); }

double Value::number() const { return is_real() ? real() : static_cast<double>(whole()); }

const Sequence* Value::sequence() const {
  const auto* held = std::get_if<std::shared_ptr<const Sequence>>(&held_);
  return held == nullptr ? nullptr : held->get();
}

const Dict* Value::dict() const {
  const auto* held = std::get_if<std::shared_ptr<const Dict>>(&held_);
  return held == nullptr ? nullptr : held->get();
}

Iterator* Value::iterator() const {
  const auto* held = std::get_if<std::shared_ptr<Iterator>>(&held_);
  return held == nullptr ? nullptr : held->get();
}

Namespace* Value::space() const {
  Namespace* const* held = std::get_if<Namespace*>(&held_);
  return held == nullptr ? nullptr : *held;
}

const Function* Value::function() const {
  const auto* held = std::get_if<std::shared_ptr<const Function>>(&held_);
  return held == nullptr ? nullptr : held->get();
}

const Loop* Value::loop() const {
  const auto* held = std::get_if<std::shared_ptr<const Loop>>(&held_);
  return held == nullptr ? nullptr : held->get();
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (is_text()) return !text().empty();
  if (sequence() != nullptr) return !sequence()->items.empty();
  if (dict() != nullptr) return !dict()->items().empty();
  return true;
}

std::string Value::type() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "None";
  if (is_boolean()) return "bool";
  if (is_integer()) return "int";
  if (is_real()) return "float";
  if (is_text()) return "str";
  if (dict() != nullptr) return "dict";
  if (iterator() != nullptr) return "generator";
  if (space() != nullptr) return "namespace";
  if (function() != nullptr) return "function";
  if (loop() != nullptr) return "loop";
  switch (sequence()->kind) {
    case SequenceKind::list:
      return "list";
    case SequenceKind::tuple:
      return "tuple";
    case SequenceKind::range:
      return "range";
    case SequenceKind::keys:
      return "dict_keys";
    case SequenceKind::values:
      return "dict_values";
    case SequenceKind::items:
      return "dict_items";
  }
  return "";
}

int Value::depth() const {
  if (sequence() != nullptr) return sequence()->depth;
  if (dict() != nullptr) return dict()->depth();
  if (iterator() != nullptr) return iterator()->depth;
  if (loop() != nullptr) return loop()->depth;
  return function() != nullptr ? function()->depth : 0;
}

bool equal(const Value& a, const Value& b, Work& work) {
  work.spend(1);
  if (a.is_whole() && b.is_whole()) return a.whole() == b.whole();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_text() && b.is_text()) {
    work.spend(std::min(a.text().size(), b.text().size()) / 64);
    return a.text() == b.text();
  }
  if (a.is_undefined() || a.is_none()) return a.type() == b.type();
  if (a.dict() != nullptr && b.dict() != nullptr) return equal_dicts(*a.dict(), *b.dict(), work);
  if (a.sequence() != nullptr && b.sequence() != nullptr) {
    return a.sequence()->kind == b.sequence()->kind && equal_items(a.sequence()->items, b.sequence()->items, work);
  }
  if (a.space() != nullptr) return a.space() == b.space();
  if (a.iterator() != nullptr) return a.iterator() == b.iterator();
  if (a.loop() != nullptr) return a.loop() == b.loop();
  return a.function() != nullptr && a.function() == b.function();
}

int compare(const Value& a, const Value& b, Work& work) {
  work.spend(1);
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) throw Error("{}", value->why_undefined());
  }
  if (a.is_whole() && b.is_whole()) return order(a.whole(), b.whole());
  if (a.is_number() && b.is_number()) return order(a.number(), b.number());
  if (a.is_text() && b.is_text()) {
    work.spend(std::min(a.text().size(), b.text().size()) / 64);
    return order(a.text().compare(b.text()), 0);
  }
  const Sequence* x = a.sequence();
  const Sequence* y = b.sequence();
  if (x == nullptr || y == nullptr || x->kind != y->kind ||
      (x->kind != SequenceKind::list && x->kind != SequenceKind::tuple)) {
    throw Error("a {} and a {} have no order", a.type(), b.type());
  }
  for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
    if (!equal(x->items[i], y->items[i], work)) return compare(x->items[i], y->items[i], work);
  }
  return order(x->items.size(), y->items.size());
}

std::string str(const Value& value, Work& work) {
  if (value.is_text()) {
    work.spend_text(value.text().size());
    return value.text();
  }
  return value.is_undefined() ? "" : repr(value, work);
}

std::string repr(const Value& value, Work& work) {
  work.spend(1);
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (value.is_boolean()) return value.boolean() ? "True" : "False";
  if (value.is_integer()) return fmt::to_string(value.whole());
  if (value.is_real()) return shown_real(value.real());
  if (value.is_text()) {
    work.spend_characters(value.text().size());
    const std::string text = jinja::quoted(value.text());
    work.spend_text(text.size());
    return value.is_safe() ? fmt::format("Markup({})", text) : text;
  }
  if (value.sequence() != nullptr) return repr_of(*value.sequence(), work);
  if (value.dict() != nullptr) return repr_of(*value.dict(), work);
  if (value.loop() != nullptr) {
    return fmt::format("<LoopContext {}/{}>", value.loop()->index + 1, value.loop()->items.size());
  }
  throw Error("printing a {} is not supported", value.type());
}

std::vector<Value> items_of(const Value& value, Work& work) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.is_text()) {
    work.spend_items(value.text().size());
    for (const std::string_view character : characters_of(value.text())) items.emplace_back(character);
  } else if (const Sequence* sequence = value.sequence()) {
    work.spend_items(sequence->items.size());
    items = sequence->items;
  } else if (const Dict* dict = value.dict()) {
    work.spend_items(dict->items().size());
    for (const auto& item : dict->items()) items.push_back(item.first);
  } else if (Iterator* iterator = value.iterator()) {
    work.spend_items(iterator->items.size() - iterator->next);
    items.assign(iterator->items.begin() + static_cast<std::ptrdiff_t>(iterator->next), iterator->items.end());
    iterator->next = iterator->items.size();
  } else {
    throw Error("a {} cannot be gone through", value.type());
  }
  return items;
}

}  // namespace specdec::jinja

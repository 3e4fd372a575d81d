#include "tokenizers/jinja/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tokenizers/jinja/python_text.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

Value value_of(const nlohmann::ordered_json& json) {
  if (json.is_null()) return Value(None{});
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) return Value(json.get<double>());
  if (json.is_number_integer()) return Value(json.get<std::int64_t>());
  if (json.is_number()) return Value(json.get<double>());
  if (json.is_string()) return Value(json.get<std::string>());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(value_of(item));
    return Value(std::move(items));
  }
  Dict dict;
  for (const auto& [key, item] : json.items()) dict.set(key, value_of(item));
  return Value(std::move(dict));
}

class Writer {
 public:
  Writer(const JsonStyle& style, Work& work) : style_(style), work_(work) {}

  std::string write(const Value& value) {
    add(value, 0);
    return std::move(text_);
  }

 private:
  void add(const Value& value, int level) {
    work_.spend(1);
    if (value.is_none()) {
      text_ += "null";
    } else if (value.is_boolean()) {
      text_ += value.boolean() ? "true" : "false";
    } else if (value.is_number()) {
      put(number(value));
    } else if (value.is_text()) {
      add_text(value.text());
    } else if (value.dict() != nullptr) {
      add_dict(*value.dict(), level);
    } else if (const Sequence* list = value.sequence();
               list != nullptr && (list->kind == SequenceKind::list || list->kind == SequenceKind::tuple)) {
      add_group('[', list->items, ']', level, [&](const Value& item) { add(item, level + 1); });
    } else if (value.is_undefined()) {
      throw Error("tojson: {}", value.why_undefined());
    } else {
      throw Error("tojson: a {} has no form in JSON", value.type());
    }
  }

  std::string number(const Value& value) const {
    if (!value.is_real()) return str(value, work_);
    if (std::isnan(value.real())) return "NaN";
    if (std::isinf(value.real())) return value.real() < 0 ? "-Infinity" : "Infinity";
    return shown_real(value.real());
  }

  std::string key_of(const Value& key) const {
    if (key.is_text()) return key.text();
    if (key.is_none()) return "null";
    if (key.is_boolean()) return key.boolean() ? "true" : "false";
    if (key.is_number()) return number(key);
    throw Error("tojson: a {} cannot be a key", key.type());
  }

  void put(std::string_view text) {
    work_.spend_growth(text_.size(), text.size());
    text_ += text;
  }

  void add_dict(const Dict& dict, int level) {
    auto items = dict.items();
    work_.spend_items(items.size());
    if (style_.sorted)
      std::ranges::stable_sort(items,
                               [&](const auto& a, const auto& b) { return compare(a.first, b.first, work_) < 0; });
    add_group('{', items, '}', level, [&](const auto& item) {
      add_text(key_of(item.first));
      put(style_.after_key);
      add(item.second, level + 1);
    });
  }

  template <typename Items, typename Add>
  void add_group(char open, const Items& items, char close, int level, const Add& add_item) {
    text_ += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) put(style_.between_items);
      first = false;
      begin_line(level + 1);
      add_item(item);
    }
    if (!items.empty()) begin_line(level);
    text_ += close;
  }

  void begin_line(int level) {
    if (!style_.indent) return;
    text_ += '\n';
    for (int i = 0; i < level; ++i) put(*style_.indent);
  }

  void add_text(std::string_view text) {
    work_.spend_characters(text.size());
    const std::size_t before = text_.size();
    text_ += '"';
    each_character(text, [&](const Utf8Char& c, std::string_view character) { add_character(c, character); });
    text_ += '"';
    work_.spend_growth(before, text_.size() - before);
  }

  void add_character(const Utf8Char& c, std::string_view character) {
    constexpr std::string_view kPlain = "\"\\\n\r\t\f\b", kShort = "\"\\nrtfb";
    const std::size_t at = character.size() == 1 ? kPlain.find(character[0]) : kPlain.npos;
    if (at != kPlain.npos) {
      text_ += '\\';
      text_ += kShort[at];
    } else if (c.state == Utf8Char::State::complete && (c.code < 0x20 || (style_.ascii && c.code > 0x7E))) {
      add_escape(static_cast<std::uint32_t>(c.code));
    } else {
      text_ += character;
    }
  }

  void add_escape(std::uint32_t code) {
    if (code < 0x10000) {
      text_ += fmt::format("\\u{:04x}", code);
    } else {
      const std::uint32_t rest = code - 0x10000;
      text_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    }
  }

  const JsonStyle& style_;
  Work& work_;
  std::string text_;
};

}  // namespace

Value read_json(std::string_view text, std::string_view origin) {
  try {
    return value_of(nlohmann::ordered_json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    throw Error("{}: not valid JSON: {}", origin, excerpt(error.what(), 200));
  } catch (const Error& error) {
    throw Error("{}: {}", origin, error.what());
  }
}

std::string written_json(const Value& value, const JsonStyle& style, Work& work) {
  return Writer(style, work).write(value);
}

}  // namespace specdec::jinja

#include "tokenizers/jinja/filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>

#include "tokenizers/jinja/arguments.h"
#include "tokenizers/jinja/attributes.h"
#include "tokenizers/jinja/json.h"
#include "tokenizers/jinja/operators.h"
#include "tokenizers/jinja/python_text.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

struct FilterCall {
  const std::string& name;
  const Value& value;
  const Arguments& arguments;
  Work& work;

  template <std::size_t kCount>
  std::array<const Value*, kCount> bind(const std::array<std::string_view, kCount>& parameters) const {
    return bound<kCount>(name, arguments, parameters);
  }
  std::string text() const { return str(value, work); }
};

using Filter = Value (*)(const FilterCall&);

bool is_true(const Value* flag) { return flag != nullptr && flag->truth(); }

// Values to order by: of an attribute if one is named, without regard to case unless asked for.
std::function<Value(const Value&)> key_of(const FilterCall& call, const Value* attribute, const Value* case_sensitive) {
  const bool folds = !is_true(case_sensitive);
  std::optional<std::string> path;
  if (attribute != nullptr && !attribute->is_none()) path = str(*attribute, call.work);
  if (path && path->find(',') != path->npos) throw Error("{} by several attributes is not supported", call.name);
  return [&work = call.work, folds, path](const Value& item) {
    const Value found = path ? item_by_path(item, *path, work) : item;
    if (!folds || !found.is_text()) return found;
    work.spend_characters(found.text().size());
    return Value(lower(found.text()));
  };
}

Value length(const FilterCall& call) {
  call.bind<0>({});
  const Value& value = call.value;
  std::size_t count = 0;
  if (value.is_text()) {
    call.work.spend(value.text().size() / 16);
    count = length_of(value.text());
  } else if (value.sequence() != nullptr) {
    count = value.sequence()->items.size();
  } else if (value.dict() != nullptr) {
    count = value.dict()->items().size();
  } else if (!value.is_undefined()) {
    throw Error("a {} has no length", value.type());
  }
  return Value(static_cast<std::int64_t>(count));
}

Value otherwise(const FilterCall& call) {
  const auto [given, falsy] = call.bind<2>({"default_value", "boolean"});
  const bool missing = call.value.is_undefined() || (is_true(falsy) && !call.value.truth());
  if (!missing) return call.value;
  return given != nullptr ? *given : Value("");
}

Value first(const FilterCall& call) {
  call.bind<0>({});
  if (Iterator* iterator = call.value.iterator(); iterator != nullptr && iterator->next < iterator->items.size())
    return iterator->items[iterator->next++];
  const std::vector<Value> items = items_of(call.value, call.work);
  return items.empty() ? Value(Undefined{"there is no first item in an empty sequence"}) : items.front();
}

Value last(const FilterCall& call) {
  call.bind<0>({});
  if (call.value.iterator() != nullptr) throw Error("a generator has no last item; give |list|last");
  const std::vector<Value> items = items_of(call.value, call.work);
  return items.empty() ? Value(Undefined{"there is no last item in an empty sequence"}) : items.back();
}

Value join(const FilterCall& call) {
  const auto [separator, attribute] = call.bind<2>({"d", "attribute"});
  const std::string between = separator == nullptr ? "" : str(*separator, call.work);
  std::string text;
  bool is_first = true;
  for (const Value& item : items_of(call.value, call.work)) {
    const bool whole = attribute == nullptr || attribute->is_none();
    const std::string more = str(whole ? item : item_by_path(item, str(*attribute, call.work), call.work), call.work);
    call.work.spend_growth(text.size(), between.size() + more.size());
    if (!is_first) text += between;
    is_first = false;
    text += more;
  }
  return Value(std::move(text));
}

Value list(const FilterCall& call) {
  call.bind<0>({});
  return Value(items_of(call.value, call.work));
}

// What map, select and so on go through: nothing of a value that is false.
std::vector<Value> items_if_any(const FilterCall& call) {
  return call.value.truth() ? items_of(call.value, call.work) : std::vector<Value>{};
}

Arguments rest_of(const Arguments& arguments, std::size_t from) {
  constexpr std::size_t kMost = 8;  // a filter may be passed to a filter
  if (arguments.given.size() > kMost) throw Error("a filter is given more than {} arguments", kMost);
  Arguments rest;
  for (std::size_t i = from; i < arguments.given.size(); ++i) rest.given.push_back(arguments.given[i]);
  rest.named = arguments.named;
  return rest;
}

Value map(const FilterCall& call) {
  std::vector<Value> mapped;
  if (call.arguments.given.empty()) {
    const auto [attribute, missing] = call.bind<2>({"attribute", "default"});
    const std::string path = str(needed_argument(call.name, attribute), call.work);
    for (const Value& item : items_if_any(call)) {
      Value found = item_by_path(item, path, call.work);
      mapped.push_back(found.is_undefined() && missing != nullptr ? *missing : std::move(found));
    }
  } else {
    const std::string& filter = text_argument(call.name, &call.arguments.given[0]);
    const Arguments rest = rest_of(call.arguments, 1);
    for (const Value& item : items_if_any(call)) mapped.push_back(filtered(filter, item, rest, call.work));
  }
  return Value::iterator(std::move(mapped));
}

// select, reject: the first argument is a test. selectattr, rejectattr: an attribute stands before it.
template <bool kAttribute, bool kWanted>
Value select(const FilterCall& call) {
  const std::vector<Value>& given = call.arguments.given;
  if (kAttribute && given.empty()) throw Error("{} lacks an attribute", call.name);
  constexpr std::size_t kTest = kAttribute ? 1 : 0;
  const bool has_test = given.size() > kTest;
  const std::string test = has_test ? text_argument(call.name, &given[kTest]) : "";
  const Arguments rest = rest_of(call.arguments, kTest + 1);
  std::vector<Value> kept;
  for (const Value& item : items_if_any(call)) {
    const Value tested = kAttribute ? item_by_path(item, str(given[0], call.work), call.work) : item;
    if ((has_test ? passes(test, tested, rest, call.work) : tested.truth()) == kWanted) kept.push_back(item);
  }
  return Value::iterator(std::move(kept));
}

Value sort(const FilterCall& call) {
  const auto [reverse, case_sensitive, attribute] = call.bind<3>({"reverse", "case_sensitive", "attribute"});
  const auto key = key_of(call, attribute, case_sensitive);
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : items_of(call.value, call.work)) keyed.emplace_back(key(item), item);
  const bool down = is_true(reverse);
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    const int order = compare(a.first, b.first, call.work);
    return down ? order > 0 : order < 0;
  });
  std::vector<Value> items;
  for (auto& item : keyed) items.push_back(std::move(item.second));
  return Value(std::move(items));
}

Value dictsort(const FilterCall& call) {
  const auto [case_sensitive, by, reverse] = call.bind<3>({"case_sensitive", "by", "reverse"});
  const std::string order_by = by == nullptr ? "key" : text_argument(call.name, by);
  if (order_by != "key" && order_by != "value") throw Error("dictsort: by is 'key' or 'value'");
  if (call.value.dict() == nullptr) throw Error("dictsort: expected a dict, found a {}", call.value.type());
  std::vector<Value> pairs;
  call.work.spend_items(call.value.dict()->items().size());
  for (const auto& [key, value] : call.value.dict()->items())
    pairs.emplace_back(std::vector<Value>{key, value}, SequenceKind::tuple);
  const Value place(order_by == "key" ? std::int64_t{0} : std::int64_t{1});
  const Arguments by_place{
      {},
      {{"reverse", Value(is_true(reverse))}, {"case_sensitive", Value(is_true(case_sensitive))}, {"attribute", place}}};
  return sort({call.name, Value(std::move(pairs)), by_place, call.work});
}

Value unique(const FilterCall& call) {
  const auto [case_sensitive, attribute] = call.bind<2>({"case_sensitive", "attribute"});
  const auto key = key_of(call, attribute, case_sensitive);
  Dict seen;
  std::vector<Value> items;
  for (const Value& item : items_of(call.value, call.work)) {
    const Value name = key(item);
    if (seen.find(name, call.work) != nullptr) continue;
    seen.set(name, Value(true), call.work);
    items.push_back(item);
  }
  return Value::iterator(std::move(items));
}

template <int kWanted>
Value extreme(const FilterCall& call) {
  const auto [case_sensitive, attribute] = call.bind<2>({"case_sensitive", "attribute"});
  const auto key = key_of(call, attribute, case_sensitive);
  const std::vector<Value> items = items_of(call.value, call.work);
  if (items.empty()) return Value(Undefined{"there is no " + call.name + " of an empty sequence"});
  const Value* found = &items.front();
  for (const Value& item : items) {
    if (compare(key(item), key(*found), call.work) == kWanted) found = &item;
  }
  return *found;
}

Value sum(const FilterCall& call) {
  const auto [attribute, start] = call.bind<2>({"attribute", "start"});
  Value total = start == nullptr ? Value(std::int64_t{0}) : *start;
  for (const Value& item : items_of(call.value, call.work)) {
    const bool whole = attribute == nullptr || attribute->is_none();
    const Value part = whole ? item : item_by_path(item, str(*attribute, call.work), call.work);
    total = arithmetic("+", total, part, call.work);
  }
  return total;
}

Value reverse(const FilterCall& call) {
  call.bind<0>({});
  std::vector<Value> items = items_of(call.value, call.work);
  std::ranges::reverse(items);
  if (!call.value.is_text()) return Value::iterator(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.text();
  return Value::like(call.value, std::move(text));
}

Value items(const FilterCall& call) {
  call.bind<0>({});
  if (call.value.is_undefined()) return Value::iterator({});
  if (call.value.dict() == nullptr) throw Error("items: expected a dict, found a {}", call.value.type());
  std::vector<Value> pairs;
  call.work.spend_items(call.value.dict()->items().size());
  for (const auto& [key, value] : call.value.dict()->items())
    pairs.emplace_back(std::vector<Value>{key, value}, SequenceKind::tuple);
  return Value::iterator(std::move(pairs));
}

Value tojson(const FilterCall& call) {
  const auto [ascii, indent, separators, sorted] = call.bind<4>({"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style{.ascii = is_true(ascii), .sorted = is_true(sorted)};
  if (indent != nullptr && !indent->is_none()) {
    const auto width = [&] { return std::clamp<std::int64_t>(whole_argument(call.name, indent, 0), 0, 64); };
    style.indent = indent->is_text() ? indent->text() : std::string(static_cast<std::size_t>(width()), ' ');
    style.between_items = ",";
  }
  if (separators != nullptr && !separators->is_none()) {
    const std::vector<Value> two = items_of(*separators, call.work);
    if (two.size() != 2) throw Error("tojson: separators are two texts");
    for (const auto& [text, part] : {std::pair{&style.between_items, &two[0]}, std::pair{&style.after_key, &two[1]}}) {
      call.work.spend_text(text_argument(call.name, part).size());
      *text = part->text();
    }
  }
  return Value(written_json(call.value, style, call.work));
}

Value trim(const FilterCall& call) {
  const auto [characters] = call.bind<1>({"chars"});
  Arguments arguments;
  if (characters != nullptr) arguments.given.push_back(*characters);
  return text_method(Value::like(call.value, call.text()), "strip", call.work).function()->call(arguments);
}

Value replace(const FilterCall& call) {
  const auto [old, by, count] = call.bind<3>({"old", "new", "count"});
  const Value text(call.text());
  Arguments arguments;
  for (const Value* one : {old, by}) arguments.given.emplace_back(str(needed_argument(call.name, one), call.work));
  if (count != nullptr && !count->is_none()) arguments.given.push_back(*count);
  return text_method(text, "replace", call.work).function()->call(arguments);
}

bool begins_word(char c) {
  return c == '-' || c == ' ' || (c >= '\t' && c <= '\r') || c == '(' || c == '{' || c == '[' || c == '<';
}

// Jinja's own title: words begin after white space, hyphens and opening brackets.
Value title(const FilterCall& call) {
  call.bind<0>({});
  const std::string text = call.text();
  call.work.spend_characters(text.size());
  std::string result;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = begin + 1;
    const bool between = begins_word(text[begin]);
    while (end < text.size() && begins_word(text[end]) == between) ++end;
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const std::size_t head = utf8_front(part).length;
    result += upper(part.substr(0, head)) + lower(part.substr(head));
    begin = end;
  }
  return Value(std::move(result));
}

Value indent(const FilterCall& call) {
  const auto [width, at_first, at_blank] = call.bind<3>({"width", "first", "blank"});
  const std::string by =
      width != nullptr && width->is_text()
          ? width->text()
          : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(whole_argument(call.name, width, 4), 0, 256)),
                        ' ');
  const std::string text = call.text() + "\n";
  call.work.spend_characters(text.size());
  std::string result;
  bool is_first = true;
  for (const std::string_view line : lines_of(text)) {
    if (!is_first) result += '\n';
    call.work.spend_growth(result.size(), by.size() + line.size());
    if (is_first ? is_true(at_first) : (is_true(at_blank) || !line.empty())) result += by;
    is_first = false;
    result += line;
  }
  return Value::like(call.value, std::move(result));
}

std::optional<std::int64_t> parsed_whole(std::string_view text, int base) {
  text = stripped(text, Ends::both);
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() && text[i - 1] != '_' && text[i + 1] != '_';
    if (text[i] == '_' && !between) return std::nullopt;
    if (text[i] != '_') digits += text[i];
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (error == std::errc::result_out_of_range) throw Error("int: the number {} is too large", excerpt(text));
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('-')) return std::nullopt;
  return minus ? -number : number;
}

std::optional<double> parsed_real(std::string_view text) {
  const std::string number(stripped(text, Ends::both));
  const bool plain = number.find_first_not_of("0123456789+-.eEinfatyINFATY") == number.npos;
  if (number.empty() || !plain) return std::nullopt;
  char* end = nullptr;
  const double real = std::strtod(number.c_str(), &end);
  return *end == '\0' ? std::optional(real) : std::nullopt;
}

Value whole_of(double real, const Value& missing) {
  if (std::isnan(real) || std::isinf(real)) return missing;
  if (std::abs(real) >= 0x1p63) throw Error("int: the number {} is too large", real);
  return Value(static_cast<std::int64_t>(real));
}

Value to_int(const FilterCall& call) {
  const auto [given, base] = call.bind<2>({"default", "base"});
  const Value missing = given != nullptr ? *given : Value(std::int64_t{0});
  const std::int64_t of_base = whole_argument(call.name, base, 10);
  const Value& value = call.value;
  if (of_base < 2 || of_base > 36) throw Error("int: base {} is not supported", of_base);
  if (value.is_undefined()) throw Error("{}", value.why_undefined());
  if (value.is_whole()) return Value(value.whole());
  if (value.is_real()) return whole_of(value.real(), missing);
  if (!value.is_text()) return missing;
  call.work.spend_characters(value.text().size());
  if (const auto whole = parsed_whole(value.text(), static_cast<int>(of_base))) return Value(*whole);
  const auto real = parsed_real(value.text());
  return real ? whole_of(*real, missing) : missing;
}

Value to_float(const FilterCall& call) {
  const auto [given] = call.bind<1>({"default"});
  const Value missing = given != nullptr ? *given : Value(0.0);
  if (call.value.is_undefined()) throw Error("{}", call.value.why_undefined());
  if (call.value.is_number()) return Value(call.value.number());
  if (!call.value.is_text()) return missing;
  call.work.spend_characters(call.value.text().size());
  const auto real = parsed_real(call.value.text());
  return real ? Value(*real) : missing;
}

Value absolute(const FilterCall& call) {
  call.bind<0>({});
  if (!call.value.is_number()) throw Error("abs: expected a number, found a {}", call.value.type());
  return call.value.number() < 0 ? negated(call.value) : arithmetic("+", call.value, Value(std::int64_t{0}), call.work);
}

Value round(const FilterCall& call) {
  const auto [precision, method] = call.bind<2>({"precision", "method"});
  const std::int64_t digits = whole_argument(call.name, precision, 0);
  const std::string how = method == nullptr ? "common" : text_argument(call.name, method);
  if (!call.value.is_number()) throw Error("round: expected a number, found a {}", call.value.type());
  if (digits < 0 || digits > 15) throw Error("round: a precision of {} is not supported", digits);
  const double scale = std::pow(10.0, static_cast<double>(digits));
  if (how == "ceil") return Value(std::ceil(call.value.number() * scale) / scale);
  if (how == "floor") return Value(std::floor(call.value.number() * scale) / scale);
  if (how != "common") throw Error("round: the method is 'common', 'ceil' or 'floor'");
  if (call.value.is_whole()) return Value(call.value.whole());
  return Value(std::strtod(fmt::format("{:.{}f}", call.value.real(), digits).c_str(), nullptr));
}

Value escape(const FilterCall& call) {
  call.bind<0>({});
  return Value::safe(escaped_text(Value::like(call.value, call.text()), call.work));
}

Value safe(const FilterCall& call) {
  call.bind<0>({});
  return Value::safe(call.text());
}

template <auto kChange>
Value changed(const FilterCall& call) {
  call.bind<0>({});
  const std::string text = call.text();
  call.work.spend_characters(text.size());
  return Value::like(call.value, kChange(text));
}

Value as_text(const FilterCall& call) {
  call.bind<0>({});
  return Value::like(call.value, call.text());
}

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> all{
      {"abs", absolute},
      {"capitalize", changed<capitalized>},
      {"count", length},
      {"d", otherwise},
      {"default", otherwise},
      {"dictsort", dictsort},
      {"e", escape},
      {"escape", escape},
      {"first", first},
      {"float", to_float},
      {"indent", indent},
      {"int", to_int},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", length},
      {"list", list},
      {"lower", changed<lower>},
      {"map", map},
      {"max", extreme<1>},
      {"min", extreme<-1>},
      {"reject", select<false, false>},
      {"rejectattr", select<true, false>},
      {"replace", replace},
      {"reverse", reverse},
      {"round", round},
      {"safe", safe},
      {"select", select<false, true>},
      {"selectattr", select<true, true>},
      {"sort", sort},
      {"string", as_text},
      {"sum", sum},
      {"title", title},
      {"tojson", tojson},
      {"trim", trim},
      {"unique", unique},
      {"upper", changed<upper>},
  };
  return all;
}

}  // namespace

Value filtered(const std::string& filter, const Value& value, const Arguments& arguments, Work& work) {
  work.spend(1);
  const auto found = filters().find(filter);
  if (found == filters().end()) throw Error("the filter '{}' is not supported", excerpt(filter));
  return found->second({filter, value, arguments, work});
}

}  // namespace specdec::jinja

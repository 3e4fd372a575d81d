// The methods of Python's str.
#include <algorithm>
#include <array>
#include <map>

#include "tokenizers/jinja/arguments.h"
#include "tokenizers/jinja/attributes.h"
#include "tokenizers/jinja/python_text.h"
#include "tokenizers/jinja/text_search.h"

namespace specdec::jinja {
namespace {

struct TextCall {
  std::string_view name;
  const std::string& self;
  const Arguments& arguments;
  Work& work;
};

using Method = Value (*)(const TextCall&);

Value texts(const std::vector<std::string_view>& parts, Work& work) {
  work.spend_items(parts.size());
  std::vector<Value> items;
  for (const std::string_view part : parts) {
    work.spend_text(part.size());
    items.emplace_back(part);
  }
  return Value(std::move(items));
}

Value strip_at(const TextCall& call, Ends ends) {
  const auto [characters] = bound<1>(call.name, call.arguments, {"chars"});
  const bool at_space = characters == nullptr || characters->is_none();
  const std::string_view kept =
      at_space ? stripped(call.self, ends) : stripped(call.self, ends, text_argument(call.name, characters), call.work);
  call.work.spend_characters(call.self.size() - kept.size());
  call.work.spend_text(kept.size());
  return Value(kept);
}

Value split_from(const TextCall& call, bool right) {
  const auto [separator, most] = bound<2>(call.name, call.arguments, {"sep", "maxsplit"});
  const std::int64_t limit = whole_argument(call.name, most, -1);
  if (separator == nullptr || separator->is_none()) {
    if (right && limit >= 0) throw Error("rsplit at white space with maxsplit is not supported");
    call.work.spend_characters(call.self.size());
    return texts(split_at_space(call.self, limit), call.work);
  }
  const std::string& at = text_argument(call.name, separator);
  if (at.empty()) throw Error("{}: the separator is empty", call.name);
  return texts(right ? split_at_from_right(call.self, at, limit, call.work) : split_at(call.self, at, limit, call.work),
               call.work);
}

// startswith and endswith: one text or a tuple of them.
Value meets(const TextCall& call, bool (*is_met)(std::string_view, std::string_view)) {
  const auto meet = [&](const Value* wanted) {
    const std::string& text = text_argument(call.name, wanted);
    call.work.spend(text.size() / 64 + 1);
    return is_met(call.self, text);
  };
  const auto [wanted] = bound<1>(call.name, call.arguments, {"prefix"});
  const Sequence* several = needed_argument(call.name, wanted).sequence();
  if (several == nullptr || several->kind != SequenceKind::tuple) return Value(meet(wanted));
  return Value(std::ranges::any_of(several->items, [&](const Value& one) { return meet(&one); }));
}

Value replace(const TextCall& call) {
  const auto [old, by, most] = bound<3>(call.name, call.arguments, {"old", "new", "count"});
  const std::string& from = text_argument(call.name, old);
  const std::string& to = text_argument(call.name, by);
  return Value(replaced(call.self, from, to, whole_argument(call.name, most, -1), call.work));
}

Value join(const TextCall& call) {
  const auto [parts] = bound<1>(call.name, call.arguments, {"iterable"});
  std::string text;
  bool first = true;
  for (const Value& part : items_of(needed_argument(call.name, parts), call.work)) {
    const std::string_view between = first ? "" : std::string_view(call.self);
    const std::string& more = text_argument(call.name, &part);
    call.work.spend_growth(text.size(), between.size() + more.size());
    first = false;
    text += between;
    text += more;
  }
  return Value(std::move(text));
}

// Where a text is, in characters; -1 if nowhere.
std::int64_t place_of(const TextCall& call, bool last) {
  const auto [wanted] = bound<1>(call.name, call.arguments, {"sub"});
  const std::string& text = text_argument(call.name, wanted);
  const std::size_t at = last ? find_last_text(call.self, text, call.work) : find_text(call.self, text, call.work);
  if (at == std::string::npos) return -1;
  call.work.spend_characters(at);
  return static_cast<std::int64_t>(length_of(std::string_view(call.self).substr(0, at)));
}

std::int64_t place_or_error(const TextCall& call, bool last) {
  const std::int64_t at = place_of(call, last);
  if (at < 0) throw Error("{}: the text is not in it", call.name);
  return at;
}

Value count(const TextCall& call) {
  const auto [wanted] = bound<1>(call.name, call.arguments, {"sub"});
  const std::string& text = text_argument(call.name, wanted);
  if (!text.empty()) return Value(static_cast<std::int64_t>(count_of(call.self, text, call.work)));
  call.work.spend_characters(call.self.size());
  return Value(static_cast<std::int64_t>(length_of(call.self) + 1));
}

Value without(const TextCall& call, bool prefix) {
  const auto [wanted] = bound<1>(call.name, call.arguments, {"prefix"});
  const std::string& text = text_argument(call.name, wanted);
  std::string_view self = call.self;
  call.work.spend_text(self.size());
  if (prefix && self.starts_with(text)) self.remove_prefix(text.size());
  if (!prefix && self.ends_with(text)) self.remove_suffix(text.size());
  return Value(self);
}

template <auto kChange>
Value changed(const TextCall& call) {
  bound<0>(call.name, call.arguments, {});
  call.work.spend_characters(call.self.size());
  return Value(kChange(call.self));
}

template <Sort kSort>
Value are(const TextCall& call) {
  bound<0>(call.name, call.arguments, {});
  call.work.spend_characters(call.self.size());
  return Value(all_are(call.self, kSort));
}

bool begins(std::string_view text, std::string_view with) { return text.starts_with(with); }
bool ends(std::string_view text, std::string_view with) { return text.ends_with(with); }

const std::map<std::string_view, Method>& methods() {
  static const std::map<std::string_view, Method> all{
      {"upper", changed<upper>},
      {"lower", changed<lower>},
      {"capitalize", changed<capitalized>},
      {"title", changed<titled>},
      {"isupper", changed<all_upper>},
      {"islower", changed<all_lower>},
      {"isalpha", are<Sort::alpha>},
      {"isdigit", are<Sort::digit>},
      {"isalnum", are<Sort::alnum>},
      {"isspace", are<Sort::space>},
      {"strip", [](const TextCall& call) { return strip_at(call, Ends::both); }},
      {"lstrip", [](const TextCall& call) { return strip_at(call, Ends::left); }},
      {"rstrip", [](const TextCall& call) { return strip_at(call, Ends::right); }},
      {"split", [](const TextCall& call) { return split_from(call, false); }},
      {"rsplit", [](const TextCall& call) { return split_from(call, true); }},
      {"splitlines",
       [](const TextCall& call) {
         bound<0>(call.name, call.arguments, {});
         call.work.spend_characters(call.self.size());
         return texts(lines_of(call.self), call.work);
       }},
      {"startswith", [](const TextCall& call) { return meets(call, begins); }},
      {"endswith", [](const TextCall& call) { return meets(call, ends); }},
      {"replace", replace},
      {"join", join},
      {"find", [](const TextCall& call) { return Value(place_of(call, false)); }},
      {"rfind", [](const TextCall& call) { return Value(place_of(call, true)); }},
      {"index", [](const TextCall& call) { return Value(place_or_error(call, false)); }},
      {"rindex", [](const TextCall& call) { return Value(place_or_error(call, true)); }},
      {"count", count},
      {"removeprefix", [](const TextCall& call) { return without(call, true); }},
      {"removesuffix", [](const TextCall& call) { return without(call, false); }},
  };
  return all;
}

// Markup: texts that are put into it are escaped, and what comes out is safe, too.
Value on_safe_text(Method method, const TextCall& call) {
  Arguments arguments = call.arguments;
  for (Value& argument : arguments.given) {
    if (call.name == "replace" && argument.is_text()) argument = Value::safe(escaped_text(argument, call.work));
    if (call.name != "join") continue;
    std::vector<Value> parts = items_of(argument, call.work);
    for (Value& part : parts) part = Value::safe(escaped_text(part, call.work));
    argument = Value(std::move(parts));
  }
  const Value result = method({call.name, call.self, arguments, call.work});
  if (result.is_text()) return Value::safe(result.text());
  if (result.sequence() == nullptr) return result;
  std::vector<Value> parts;
  for (const Value& part : result.sequence()->items) {
    call.work.spend_text(part.text().size());
    parts.push_back(Value::safe(part.text()));
  }
  return Value(std::move(parts));
}

constexpr std::array<std::string_view, 20> kOthers{
    "casefold",  "center",       "encode",     "expandtabs",  "format",    "format_map", "isascii",
    "isdecimal", "isidentifier", "isnumeric",  "isprintable", "istitle",   "ljust",      "maketrans",
    "partition", "rjust",        "rpartition", "swapcase",    "translate", "zfill"};

}  // namespace

Value text_method(const Value& text, const std::string& name, Work& work) {
  if (std::ranges::find(kOthers, name) != kOthers.end()) throw Error("the method {} of a str is not supported", name);
  const auto found = methods().find(name);
  if (found == methods().end()) return Value();
  return Value::method(text, name, [text, name, &work, method = found->second](const Arguments& arguments) {
    work.spend(1);
    const TextCall call{name, text.text(), arguments, work};
    return text.is_safe() ? on_safe_text(method, call) : method(call);
  });
}

}  // namespace specdec::jinja

// The functions that a template may call without a value before the dot.
#include <algorithm>
#include <array>
#include <ctime>

#include "tokenizers/jinja/arguments.h"
#include "tokenizers/jinja/interpreter.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

Value make_dict(const Arguments& arguments, Work& work) {
  Dict dict;
  if (arguments.given.size() > 1) throw Error("dict takes at most one argument without a name");
  for (const Value& given : arguments.given) {
    if (given.dict() != nullptr) {
      for (const auto& [key, value] : given.dict()->items()) dict.set(key, value, work);
      continue;
    }
    for (const Value& pair : items_of(given, work)) {
      const std::vector<Value> two = items_of(pair, work);
      if (two.size() != 2) throw Error("dict: expected pairs, found {} values", two.size());
      dict.set(two[0], two[1], work);
    }
  }
  for (const auto& [name, value] : arguments.named) dict.set(name, value);
  return Value(std::move(dict));
}

std::string date(const Arguments& arguments, std::time_t now) {
  const auto [format] = bound<1>("strftime_now", arguments, {"format"});
  const std::string& text = text_argument("strftime_now", format);
  constexpr std::size_t kMost = 200;
  if (text.size() > kMost) throw Error("strftime_now: a format of more than {} bytes", kMost);
  std::tm time{};
  ::gmtime_r(&now, &time);
  std::array<char, 64 * kMost> buffer;
  return std::string(buffer.data(), std::strftime(buffer.data(), buffer.size(), text.c_str(), &time));
}

}  // namespace

Value Interpreter::make_namespace(const Arguments& arguments) {
  const Value dict = make_dict(arguments, work_);
  work_.spend(16);
  Namespace& made = namespaces_.emplace_back();
  for (const auto& [key, value] : dict.dict()->items()) made.values.insert_or_assign(str(key, work_), value);
  return Value(&made);
}

Value Interpreter::make_range(const Arguments& arguments) {
  const auto [start, stop, step] = bound<3>("range", arguments, {"start", "stop", "step"});
  const std::int64_t first = stop == nullptr ? 0 : whole_argument("range", start, 0);
  const std::int64_t last = whole_argument("range", stop == nullptr ? &needed_argument("range", start) : stop, 0);
  const std::int64_t by = whole_argument("range", step, 1);
  constexpr std::int64_t kMost = 100'000;  // the sandbox of Jinja has the same limit
  if (by == 0) throw Error("range: the step is 0");
  std::vector<Value> items;
  for (std::int64_t i = first; by > 0 ? i < last : i > last;) {
    if (static_cast<std::int64_t>(items.size()) == kMost) throw Error("range: more than {} numbers", kMost);
    items.emplace_back(i);
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  work_.spend_items(items.size());
  return Value(std::move(items), SequenceKind::range);
}

void Interpreter::define_functions() {
  const auto add = [&](const char* name, std::function<Value(const Arguments&)> call) {
    functions_.values.insert_or_assign(name, Value(Function{name, std::move(call)}));
  };
  add("range", [this](const Arguments& given) { return make_range(given); });
  add("dict", [this](const Arguments& given) { return make_dict(given, work_); });
  add("namespace", [this](const Arguments& given) { return make_namespace(given); });
  add("strftime_now", [this](const Arguments& given) { return Value(date(given, now_)); });
  add("raise_exception", [](const Arguments& given) -> Value {
    const auto [message] = bound<1>("raise_exception", given, {"message"});
    throw Error("it refuses this conversation: {}", excerpt(text_argument("raise_exception", message), 300));
  });
  for (const char* name : {"lipsum", "cycler", "joiner"}) {
    add(name, [name](const Arguments&) -> Value { throw Error("the function {} is not supported", name); });
  }
}

}  // namespace specdec::jinja

// Tests: `value is name`.
#include <map>

#include "tokenizers/jinja/arguments.h"
#include "tokenizers/jinja/filters.h"
#include "tokenizers/jinja/operators.h"
#include "tokenizers/jinja/python_text.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

struct TestCall {
  const std::string& name;
  const Value& value;
  const Arguments& arguments;
  Work& work;

  const Value& other() const { return needed_argument(name, bound<1>(name, arguments, {"other"})[0]); }
};

using Test = bool (*)(const TestCall&);

std::int64_t remainder_of(const TestCall& call, std::int64_t by) {
  return arithmetic("%", call.value, Value(by), call.work).whole();
}

bool is_case(const TestCall& call, bool (*all)(std::string_view)) {
  const std::string text = str(call.value, call.work);
  call.work.spend_characters(text.size());
  return all(text);
}

template <bool (Value::*kIs)() const>
bool is(const TestCall& call) {
  return (call.value.*kIs)();
}

template <bool kWanted>
bool is_boolean_of(const TestCall& call) {
  return call.value.is_boolean() && call.value.boolean() == kWanted;
}

bool can_be_called(const TestCall& call) { return call.value.function() != nullptr; }

bool is_iterable(const TestCall& call) {
  return !call.value.is_none() && !call.value.is_number() && call.value.function() == nullptr &&
         call.value.space() == nullptr;
}

// Has a length and items.
bool is_sequence(const TestCall& call) {
  const Value& value = call.value;
  if (value.sequence() == nullptr) return value.is_undefined() || value.is_text() || value.dict() != nullptr;
  const SequenceKind kind = value.sequence()->kind;
  return kind == SequenceKind::list || kind == SequenceKind::tuple || kind == SequenceKind::range;
}

template <char kFirst, char kSecond = '\0'>
bool compares(const TestCall& call) {
  constexpr char kSign[] = {kFirst, kSecond, '\0'};
  return compared(kSign, call.value, call.other(), call.work);
}

bool is_same(const TestCall& call) {
  const Value& other = call.other();
  if (call.value.is_none() || call.value.is_boolean())
    return call.value.type() == other.type() && equal(call.value, other, call.work);
  throw Error("the test sameas of a {} is not supported", call.value.type());
}

const std::map<std::string_view, Test>& tests() {
  static const std::map<std::string_view, Test> all{
      {"defined", [](const TestCall& call) { return !call.value.is_undefined(); }},
      {"undefined", is<&Value::is_undefined>},
      {"none", is<&Value::is_none>},
      {"boolean", is<&Value::is_boolean>},
      {"true", is_boolean_of<true>},
      {"false", is_boolean_of<false>},
      {"integer", is<&Value::is_integer>},
      {"float", is<&Value::is_real>},
      {"number", is<&Value::is_number>},
      {"string", is<&Value::is_text>},
      {"mapping", [](const TestCall& call) { return call.value.dict() != nullptr; }},
      {"iterable", is_iterable},
      {"sequence", is_sequence},
      {"callable", can_be_called},
      {"odd", [](const TestCall& call) { return remainder_of(call, 2) == 1; }},
      {"even", [](const TestCall& call) { return remainder_of(call, 2) == 0; }},
      {"divisibleby",
       [](const TestCall& call) { return remainder_of(call, whole_argument(call.name, &call.other(), 0)) == 0; }},
      {"lower", [](const TestCall& call) { return is_case(call, all_lower); }},
      {"upper", [](const TestCall& call) { return is_case(call, all_upper); }},
      {"in", [](const TestCall& call) { return contains(call.other(), call.value, call.work); }},
      {"sameas", is_same},
      {"==", compares<'=', '='>},
      {"eq", compares<'=', '='>},
      {"equalto", compares<'=', '='>},
      {"!=", compares<'!', '='>},
      {"ne", compares<'!', '='>},
      {"<", compares<'<'>},
      {"lt", compares<'<'>},
      {"lessthan", compares<'<'>},
      {"<=", compares<'<', '='>},
      {"le", compares<'<', '='>},
      {">", compares<'>'>},
      {"gt", compares<'>'>},
      {"greaterthan", compares<'>'>},
      {">=", compares<'>', '='>},
      {"ge", compares<'>', '='>},
  };
  return all;
}

}  // namespace

bool passes(const std::string& test, const Value& value, const Arguments& arguments, Work& work) {
  work.spend(1);
  const auto found = tests().find(test);
  if (found == tests().end()) throw Error("the test '{}' is not supported", excerpt(test));
  return found->second({test, value, arguments, work});
}

}  // namespace specdec::jinja

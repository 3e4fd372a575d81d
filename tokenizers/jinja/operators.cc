#include "tokenizers/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "tokenizers/jinja/text_search.h"

namespace specdec::jinja {
namespace {

[[noreturn]] void refuse(std::string_view sign, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) throw Error("{}", value->why_undefined());
  }
  throw Error("{} between a {} and a {} is not supported", sign, a.type(), b.type());
}

[[noreturn]] void refuse_size() { throw Error("a whole number is larger than 64 bits"); }
[[noreturn]] void refuse_zero() { throw Error("divides by zero"); }

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  if (b == 0) refuse_zero();
  if (b == -1 && a == INT64_MIN) refuse_size();
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) refuse_zero();
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double modulo(double a, double b) {
  if (b == 0) refuse_zero();
  const double rest = std::fmod(a, b);
  if (rest != 0) return (rest < 0) != (b < 0) ? rest + b : rest;
  return std::copysign(0.0, b);
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  std::int64_t result = 1;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) refuse_size();
  }
  return result;
}

Value of_whole(std::string_view sign, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (sign == "+" && __builtin_add_overflow(a, b, &result)) refuse_size();
  if (sign == "-" && __builtin_sub_overflow(a, b, &result)) refuse_size();
  if (sign == "*" && __builtin_mul_overflow(a, b, &result)) refuse_size();
  if (sign == "//") result = floor_quotient(a, b);
  if (sign == "%") result = modulo(a, b);
  if (sign == "**") result = power(a, b);
  return Value(result);
}

Value of_real(std::string_view sign, double a, double b) {
  if (sign == "+") return Value(a + b);
  if (sign == "-") return Value(a - b);
  if (sign == "*") return Value(a * b);
  if (sign == "%") return Value(modulo(a, b));
  if (sign == "**") {
    if (a == 0 && b < 0) refuse_zero();
    if (a < 0 && std::nearbyint(b) != b) throw Error("a power is no real number");
    return Value(std::pow(a, b));
  }
  if (b == 0) refuse_zero();
  return Value(sign == "/" ? a / b : (a - modulo(a, b)) / b);
}

Value repeated(const Value& value, std::int64_t times, Work& work) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.is_text()) {
    const std::string& text = value.text();
    if (count > 0 && text.size() > SIZE_MAX / count) refuse_size();
    work.spend_text(text.size() * count);
    std::string result = count == 0 ? "" : text;
    while (result.size() < text.size() * count) result.append(result, 0, text.size() * count - result.size());
    return Value::like(value, std::move(result));
  }
  const std::vector<Value>& items = value.sequence()->items;
  if (count > 0 && items.size() > SIZE_MAX / count) refuse_size();
  work.spend_items(items.size() * count);
  std::vector<Value> result;
  for (std::size_t i = 0; i < count && !items.empty(); ++i) result.insert(result.end(), items.begin(), items.end());
  return Value(std::move(result), value.sequence()->kind);
}

bool is_list_or_tuple(const Value& value) {
  return value.sequence() != nullptr &&
         (value.sequence()->kind == SequenceKind::list || value.sequence()->kind == SequenceKind::tuple);
}

Value sum_of(const Value& a, const Value& b, Work& work) {
  if (a.is_text() && b.is_text()) {
    work.spend_text(a.text().size() + b.text().size());
    if (a.is_safe() || b.is_safe()) return Value::safe(escaped_text(a, work) + escaped_text(b, work));
    return Value(a.text() + b.text());
  }
  if (!is_list_or_tuple(a) || !is_list_or_tuple(b) || a.sequence()->kind != b.sequence()->kind) refuse("+", a, b);
  work.spend_items(a.sequence()->items.size() + b.sequence()->items.size());
  std::vector<Value> items = a.sequence()->items;
  items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
  return Value(std::move(items), a.sequence()->kind);
}

}  // namespace

Value arithmetic(std::string_view sign, const Value& a, const Value& b, Work& work) {
  if (a.is_whole() && b.is_whole() && sign != "/" && !(sign == "**" && b.whole() < 0)) {
    return of_whole(sign, a.whole(), b.whole());
  }
  if (a.is_number() && b.is_number()) return of_real(sign, a.number(), b.number());
  if (sign == "+") return sum_of(a, b, work);
  if (sign == "*" && (a.is_text() || is_list_or_tuple(a)) && b.is_whole()) return repeated(a, b.whole(), work);
  if (sign == "*" && (b.is_text() || is_list_or_tuple(b)) && a.is_whole()) return repeated(b, a.whole(), work);
  refuse(sign, a, b);
}

Value negated(const Value& value) {
  if (value.is_real()) return Value(-value.real());
  if (!value.is_whole()) refuse("-", Value(std::int64_t{0}), value);
  return of_whole("-", 0, value.whole());
}

bool contains(const Value& container, const Value& item, Work& work) {
  work.spend(1);
  if (container.is_undefined()) return false;
  if (container.is_text()) {
    if (!item.is_text()) refuse("in", item, container);
    return find_text(container.text(), item.text(), work) != std::string::npos;
  }
  if (container.dict() != nullptr) return container.dict()->find(item, work) != nullptr;
  if (const Sequence* sequence = container.sequence()) {
    return std::ranges::any_of(sequence->items, [&](const Value& one) { return equal(one, item, work); });
  }
  if (container.iterator() == nullptr) refuse("in", item, container);
  Iterator& iterator = *container.iterator();
  while (iterator.next < iterator.items.size()) {
    if (equal(iterator.items[iterator.next++], item, work)) return true;
  }
  return false;
}

bool compared(std::string_view sign, const Value& a, const Value& b, Work& work) {
  if (sign == "==") return equal(a, b, work);
  if (sign == "!=") return !equal(a, b, work);
  if (sign == "in") return contains(b, a, work);
  if (sign == "not in") return !contains(b, a, work);
  const bool has_nan = (a.is_real() && std::isnan(a.real())) || (b.is_real() && std::isnan(b.real()));
  if (has_nan) return false;
  const int order = compare(a, b, work);
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  if (sign == ">") return order > 0;
  return order >= 0;
}

}  // namespace specdec::jinja

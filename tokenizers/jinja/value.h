// What a Jinja template computes with: the values of Python, as far as chat templates meet them. Copying is cheap:
// texts and containers are shared and never change, but for a Namespace, which the Interpreter owns.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"

namespace specdec::jinja {

class Value;

// Bounds what a template may do, for it may be hostile: a step is some 100 ns at most. Throws Error.
class Work {
 public:
  void spend(std::size_t steps) {
    if (steps > left_) throw Error("takes more than {} steps", kMostSteps);
    left_ -= steps;
  }
  // A text is copied.
  void spend_text(std::size_t bytes) { spend_growth(0, bytes); }
  // So much is put to a text that has these bytes.
  void spend_growth(std::size_t bytes, std::size_t more) {
    if (bytes > kMostText || more > kMostText - bytes) throw Error("makes a text of more than {} MB", kMostText >> 20);
    spend(more / 64 + 1);
  }
  // It is gone through character by character.
  void spend_characters(std::size_t bytes) { spend(bytes / 2 + 1); }
  void spend_items(std::size_t count) { spend(count <= kMostSteps ? 2 * count + 1 : count); }

 private:
  static constexpr std::size_t kMostSteps = 5'000'000, kMostText = 16 << 20;
  std::size_t left_ = kMostSteps;
};

// Prints as nothing, and is an error to look into: "'x' is undefined".
struct Undefined {
  std::string why;
};
struct None {};

enum class SequenceKind { list, tuple, range, keys, values, items };

struct Sequence {
  SequenceKind kind = SequenceKind::list;
  std::vector<Value> items;
  int depth = 1;
};

// In the order of insertion. Keys are what Python can hash.
class Dict {
 public:
  void set(std::string_view key, const Value& value);
  const Value* find(std::string_view key) const;
  // Keys of templates. Throw Error if it is a list or a dict.
  void set(const Value& key, const Value& value, Work& work);
  const Value* find(const Value& key, Work& work) const;
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  int depth() const { return depth_; }

 private:
  void set_named(std::string name, const Value& key, const Value& value);
  const Value* find_named(const std::string& name) const;

  std::vector<std::pair<Value, Value>> items_;
  std::map<std::string, std::size_t, std::less<>> places_;
  int depth_ = 1;
};

// Of filters such as map and select: gives each item once.
struct Iterator {
  std::vector<Value> items;
  std::size_t next = 0;
  int depth = 1;
};

struct Namespace {
  std::map<std::string, Value, std::less<>> values;
};

struct Arguments {
  std::vector<Value> given;
  std::vector<std::pair<std::string, Value>> named;
};

struct Function {
  std::string name;
  std::function<Value(const Arguments&)> call;
  int depth = 1;
};

struct Loop {
  std::vector<Value> items;
  std::size_t index = 0;
  int depth = 1;
};

class Value {
 public:
  Value() : held_(Undefined{}) {}
  explicit Value(Undefined why) : held_(std::move(why)) {}
  explicit Value(None) : held_(None{}) {}
  explicit Value(bool boolean) : held_(boolean) {}
  explicit Value(std::int64_t integer) : held_(integer) {}
  explicit Value(double real) : held_(real) {}
  explicit Value(std::string text) : held_(std::make_shared<const std::string>(std::move(text))) {}
  explicit Value(std::string_view text) : Value(std::string(text)) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  explicit Value(std::vector<Value> items, SequenceKind kind = SequenceKind::list);
  explicit Value(Dict dict) : held_(std::make_shared<const Dict>(std::move(dict))) {}
  explicit Value(Namespace* space) : held_(space) {}
  explicit Value(Function function) : held_(std::make_shared<const Function>(std::move(function))) {}
  explicit Value(std::shared_ptr<const Loop> loop) : held_(std::move(loop)) {}
  static Value iterator(std::vector<Value> items);
  static Value safe(std::string text);                         // Markup: what is added to it is escaped for HTML
  static Value like(const Value& original, std::string text);  // safe if the original is
  static Value method(const Value& self, std::string name, std::function<Value(const Arguments&)> call);

  bool is_undefined() const { return std::holds_alternative<Undefined>(held_); }
  bool is_none() const { return std::holds_alternative<None>(held_); }
  bool is_boolean() const { return std::holds_alternative<bool>(held_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(held_); }
  bool is_real() const { return std::holds_alternative<double>(held_); }
  bool is_text() const { return std::holds_alternative<std::shared_ptr<const std::string>>(held_); }
  bool is_safe() const { return safe_; }
  bool is_number() const { return is_boolean() || is_integer() || is_real(); }
  bool is_whole() const { return is_boolean() || is_integer(); }

  bool boolean() const { return std::get<bool>(held_); }
  double real() const { return std::get<double>(held_); }
  const std::string& text() const { return *std::get<std::shared_ptr<const std::string>>(held_); }
  const std::string& why_undefined() const { return std::get<Undefined>(held_).why; }
  std::int64_t whole() const;  // of is_whole()
  double number() const;       // of is_number()
  const Sequence* sequence() const;
  const Dict* dict() const;
  Iterator* iterator() const;
  Namespace* space() const;
  const Function* function() const;
  const Loop* loop() const;

  bool truth() const;
  std::string type() const;  // as Python calls it: "str"
  int depth() const;         // of the containers in it; never more than kMostDepth

  static constexpr int kMostDepth = 100;

 private:
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>, std::shared_ptr<Iterator>, Namespace*,
               std::shared_ptr<const Function>, std::shared_ptr<const Loop>>
      held_;
  bool safe_ = false;
};

// Of a text that is not safe, as HTML. Throws Error for another value.
std::string escaped_text(const Value& value, Work& work);

// What the containers may be nested in. Throws Error beyond kMostDepth.
int depth_around(const std::vector<Value>& items);

bool equal(const Value& a, const Value& b, Work& work);
// Less than zero, zero, more. Throws Error if Python does not order the two.
int compare(const Value& a, const Value& b, Work& work);

std::string str(const Value& value, Work& work);   // str() of Python
std::string repr(const Value& value, Work& work);  // repr() of Python

// Items of whatever a loop can go over; of an iterator, those that are left. Throws Error if it is nothing of the sort.
std::vector<Value> items_of(const Value& value, Work& work);

}  // namespace specdec::jinja

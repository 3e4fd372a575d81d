// Runs a parsed template once.
#pragma once

#include <ctime>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "tokenizers/jinja/syntax.h"
#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

struct Scope {
  std::map<std::string, Value, std::less<>> values = {};
  Scope* outer = nullptr;

  const Value* find(std::string_view name) const;
};

class Interpreter {
 public:
  // now: what strftime_now tells, as UTC: the same text on every machine.
  Interpreter(const Dict& variables, std::time_t now);

  std::string run(const Block& block);  // Throws Error; line() is where
  int line() const { return line_; }

 private:
  enum class Flow { next, break_loop, next_turn };

  Flow execute(const Block& block, Scope& scope);
  Flow execute_one(const Statement& statement, Scope& scope);
  Flow execute_branches(const Statement& statement, Scope& scope);
  Flow execute_loop(const Statement& statement, Scope& scope);
  Flow execute_with(const Statement& statement, Scope& scope);
  std::vector<Value> chosen_items(const Statement& loop, Scope& scope);
  void define(const Macro& macro, Scope& scope);
  Value call_macro(const Macro& macro, const Arguments& arguments);
  void assign(const Target& target, const Value& value, Scope& scope);
  void print(std::string_view text);
  std::string captured(const Block& body, Scope& scope);
  Value through_filters(const Expression* filters, Value value, Scope& scope);

  Value evaluate(const Expression& expression, Scope& scope);
  Value evaluate_group(const Expression& expression, Scope& scope);
  Value evaluate_access(const Expression& expression, Scope& scope);
  Value evaluate_logic(const Expression& expression, Scope& scope);
  Value evaluate_name(const Expression& expression, const Scope& scope);
  Value evaluate_dict(const Expression& expression, Scope& scope);
  Value evaluate_slice(const Expression& expression, Scope& scope);
  Value evaluate_call(const Expression& expression, Scope& scope);
  Value evaluate_concat(const Expression& expression, Scope& scope);
  std::vector<Value> evaluate_all(const std::vector<ExpressionPtr>& parts, Scope& scope);
  Arguments evaluate_arguments(const CallArguments& arguments, Scope& scope);

  void define_functions();
  Value make_namespace(const Arguments& arguments);
  Value make_range(const Arguments& arguments);

  Work work_;
  std::time_t now_;
  Scope functions_, root_;
  std::deque<Namespace> namespaces_;
  std::string out_;
  const Value* filtered_ = nullptr;  // what a filter without a value of its own works on
  int line_ = 1, depth_ = 0;
};

}  // namespace specdec::jinja

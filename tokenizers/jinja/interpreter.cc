#include "tokenizers/jinja/interpreter.h"

#include <algorithm>
#include <utility>

#include "tokenizers/jinja/attributes.h"
#include "tokenizers/jinja/filters.h"
#include "tokenizers/jinja/operators.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

constexpr int kMostDepth = 600;

class Deeper {
 public:
  explicit Deeper(int& depth) : depth_(depth) {
    if (depth_ >= kMostDepth) throw Error("calls itself more than {} deep", kMostDepth);
    ++depth_;
  }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

}  // namespace

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
    const auto found = scope->values.find(name);
    if (found != scope->values.end()) return &found->second;
  }
  return nullptr;
}

Interpreter::Interpreter(const Dict& variables, std::time_t now) : now_(now) {
  root_.outer = &functions_;
  define_functions();
  for (const auto& [name, value] : variables.items()) functions_.values.insert_or_assign(name.text(), value);
}

std::string Interpreter::run(const Block& block) {
  execute(block, root_);
  return std::move(out_);
}

void Interpreter::print(std::string_view text) {
  work_.spend_growth(out_.size(), text.size());
  out_ += text;
}

Interpreter::Flow Interpreter::execute(const Block& block, Scope& scope) {
  const Deeper deeper(depth_);
  for (const Statement& statement : block) {
    const Flow flow = execute_one(statement, scope);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::execute_one(const Statement& statement, Scope& scope) {
  using Kind = Statement::Kind;
  line_ = statement.line;
  work_.spend(1);
  switch (statement.kind) {
    case Kind::text:
      print(statement.text);
      break;
    case Kind::print:
      print(str(evaluate(*statement.expression, scope), work_));
      break;
    case Kind::branches:
      return execute_branches(statement, scope);
    case Kind::loop:
      return execute_loop(statement, scope);
    case Kind::set:
      assign(statement.target, evaluate(*statement.expression, scope), scope);
      break;
    case Kind::set_block:
      assign(statement.target,
             through_filters(statement.expression.get(), Value(captured(statement.body, scope)), scope), scope);
      break;
    case Kind::macro:
      define(statement.macro, scope);
      break;
    case Kind::filter:
      print(str(through_filters(statement.expression.get(), Value(captured(statement.body, scope)), scope), work_));
      break;
    case Kind::with:
      return execute_with(statement, scope);
    case Kind::scope: {
      Scope inner{{}, &scope};
      return execute(statement.body, inner);
    }
    case Kind::break_loop:
      return Flow::break_loop;
    case Kind::next_turn:
      return Flow::next_turn;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::execute_branches(const Statement& statement, Scope& scope) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition == nullptr || evaluate(*branch.condition, scope).truth()) return execute(branch.body, scope);
  }
  return Flow::next;
}

std::vector<Value> Interpreter::chosen_items(const Statement& loop, Scope& scope) {
  std::vector<Value> items = items_of(evaluate(*loop.expression, scope), work_);
  if (loop.condition == nullptr) return items;
  std::vector<Value> chosen;
  for (const Value& item : items) {
    Scope inner{{}, &scope};
    assign(loop.target, item, inner);
    if (evaluate(*loop.condition, inner).truth()) chosen.push_back(item);
  }
  return chosen;
}

Interpreter::Flow Interpreter::execute_loop(const Statement& statement, Scope& scope) {
  const auto loop = std::make_shared<Loop>();
  loop->items = chosen_items(statement, scope);
  loop->depth = depth_around(loop->items);
  for (std::size_t i = 0; i < loop->items.size(); ++i) {
    loop->index = i;
    Scope inner{{}, &scope};
    assign(statement.target, loop->items[i], inner);
    inner.values.insert_or_assign("loop", Value(std::shared_ptr<const Loop>(loop)));
    if (execute(statement.body, inner) == Flow::break_loop) break;
  }
  if (!loop->items.empty()) return Flow::next;
  Scope inner{{}, &scope};
  return execute(statement.otherwise, inner);
}

Interpreter::Flow Interpreter::execute_with(const Statement& statement, Scope& scope) {
  Scope inner{{}, &scope};
  for (const auto& [target, expression] : statement.sets) assign(target, evaluate(*expression, scope), inner);
  return execute(statement.body, inner);
}

std::string Interpreter::captured(const Block& body, Scope& scope) {
  std::string before = std::exchange(out_, "");
  Scope inner{{}, &scope};
  execute(body, inner);
  return std::exchange(out_, std::move(before));
}

Value Interpreter::through_filters(const Expression* filters, Value value, Scope& scope) {
  if (filters == nullptr) return value;
  const Value* before = std::exchange(filtered_, &value);
  Value result = evaluate(*filters, scope);
  filtered_ = before;
  return result;
}

void Interpreter::assign(const Target& target, const Value& value, Scope& scope) {
  if (!target.parts.empty()) {
    const std::vector<Value> items = items_of(value, work_);
    if (items.size() != target.parts.size()) {
      throw Error("expected {} values to unpack, found {}", target.parts.size(), items.size());
    }
    for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i], scope);
  } else if (target.attribute.empty()) {
    scope.values.insert_or_assign(target.name, value);
  } else {
    const Value* space = scope.find(target.name);
    if (space == nullptr || space->space() == nullptr) throw Error("'{}' is no namespace", excerpt(target.name));
    space->space()->values.insert_or_assign(target.attribute, value);
  }
}

// Its body sees the variables of the template itself, as they are when it is called.
void Interpreter::define(const Macro& macro, Scope& scope) {
  if (&scope != &root_) throw Error("a macro inside a loop or another macro is not supported");
  scope.values.insert_or_assign(
      macro.name,
      Value(Function{macro.name, [this, &macro](const Arguments& given) { return call_macro(macro, given); }}));
}

Value Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  const std::size_t count = macro.parameters.size();
  if (arguments.given.size() > count) {
    throw Error("macro '{}' takes at most {} arguments, found {}", excerpt(macro.name), count, arguments.given.size());
  }
  work_.spend(arguments.named.size() * count / 4);
  for (const auto& named : arguments.named) {
    const auto same = [&](const auto& parameter) { return parameter.first == named.first; };
    if (std::ranges::none_of(macro.parameters, same)) {
      throw Error("macro '{}' has no parameter '{}'", excerpt(macro.name), excerpt(named.first));
    }
  }
  const int line = line_;
  Scope scope{{}, &root_};
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [name, otherwise] = macro.parameters[i];
    const auto named = std::ranges::find(
        arguments.named, name, [](const auto& one) -> const auto& { return one.first; });
    if (i < arguments.given.size() && named != arguments.named.end()) {
      throw Error("macro '{}' is given '{}' twice", excerpt(macro.name), excerpt(name));
    }
    Value value(Undefined{fmt::format("parameter '{}' was not provided", excerpt(name))});
    if (i < arguments.given.size()) {
      value = arguments.given[i];
    } else if (named != arguments.named.end()) {
      value = named->second;
    } else if (otherwise != nullptr) {
      value = evaluate(*otherwise, scope);
    }
    scope.values.insert_or_assign(name, std::move(value));
  }
  Value result(captured(*macro.body, scope));
  line_ = line;
  return result;
}

Value Interpreter::evaluate(const Expression& expression, Scope& scope) {
  using Kind = Expression::Kind;
  const Deeper deeper(depth_);
  line_ = expression.line;
  work_.spend(1);
  switch (expression.kind) {
    case Kind::constant:
      return expression.constant;
    case Kind::name:
      return evaluate_name(expression, scope);
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::concat:
      return evaluate_group(expression, scope);
    case Kind::attribute:
    case Kind::item:
    case Kind::slice:
    case Kind::call:
    case Kind::filter:
    case Kind::test:
      return evaluate_access(expression, scope);
    default:
      return evaluate_logic(expression, scope);
  }
}

Value Interpreter::evaluate_group(const Expression& expression, Scope& scope) {
  using Kind = Expression::Kind;
  switch (expression.kind) {
    case Kind::list:
      return Value(evaluate_all(expression.parts, scope));
    case Kind::tuple:
      return Value(evaluate_all(expression.parts, scope), SequenceKind::tuple);
    case Kind::dict:
      return evaluate_dict(expression, scope);
    default:
      return evaluate_concat(expression, scope);
  }
}

Value Interpreter::evaluate_access(const Expression& expression, Scope& scope) {
  using Kind = Expression::Kind;
  const auto& parts = expression.parts;
  switch (expression.kind) {
    case Kind::attribute:
      return attribute_of(evaluate(*parts[0], scope), expression.name, work_);
    case Kind::item: {
      const Value of = evaluate(*parts[0], scope);
      return item_of(of, evaluate(*parts[1], scope), work_);
    }
    case Kind::slice:
      return evaluate_slice(expression, scope);
    case Kind::call:
      return evaluate_call(expression, scope);
    case Kind::filter: {
      const Value value = parts[0] == nullptr ? *filtered_ : evaluate(*parts[0], scope);
      const Arguments arguments = evaluate_arguments(expression.arguments, scope);
      line_ = expression.line;
      return filtered(expression.name, value, arguments, work_);
    }
    default: {
      const Value value = evaluate(*parts[0], scope);
      return Value(passes(expression.name, value, evaluate_arguments(expression.arguments, scope), work_));
    }
  }
}

Value Interpreter::evaluate_logic(const Expression& expression, Scope& scope) {
  using Kind = Expression::Kind;
  const auto& parts = expression.parts;
  Value first = evaluate(*parts[0], scope);
  switch (expression.kind) {
    case Kind::negation:
      return negated(first);
    case Kind::plus:
      return arithmetic("+", Value(std::int64_t{0}), first, work_);
    case Kind::logical_not:
      return Value(!first.truth());
    case Kind::logical_and:
      return first.truth() ? evaluate(*parts[1], scope) : first;
    case Kind::logical_or:
      return first.truth() ? first : evaluate(*parts[1], scope);
    case Kind::condition: {
      if (first.truth()) return evaluate(*parts[1], scope);
      if (parts[2] != nullptr) return evaluate(*parts[2], scope);
      return Value(Undefined{"an if without else was false"});
    }
    case Kind::comparison: {
      for (std::size_t i = 0; i < expression.operators.size(); ++i) {
        const Value second = evaluate(*parts[i + 1], scope);
        if (!compared(expression.operators[i], first, second, work_)) return Value(false);
        first = second;
      }
      return Value(true);
    }
    default: {
      const Value second = evaluate(*parts[1], scope);
      line_ = expression.line;
      return arithmetic(expression.name, first, second, work_);
    }
  }
}

Value Interpreter::evaluate_name(const Expression& expression, const Scope& scope) {
  work_.spend(static_cast<std::size_t>(depth_) / 8);  // it may stand in as many scopes
  const Value* found = scope.find(expression.name);
  return found != nullptr ? *found : Value(Undefined{fmt::format("'{}' is undefined", excerpt(expression.name))});
}

Value Interpreter::evaluate_dict(const Expression& expression, Scope& scope) {
  const std::vector<Value> parts = evaluate_all(expression.parts, scope);
  Dict dict;
  for (std::size_t i = 0; i + 1 < parts.size(); i += 2) dict.set(parts[i], parts[i + 1], work_);
  return Value(std::move(dict));
}

Value Interpreter::evaluate_slice(const Expression& expression, Scope& scope) {
  const Value of = evaluate(*expression.parts[0], scope);
  std::vector<Value> bounds;
  for (std::size_t i = 1; i < expression.parts.size(); ++i) {
    bounds.push_back(expression.parts[i] == nullptr ? Value(None{}) : evaluate(*expression.parts[i], scope));
  }
  return slice_of(of, &bounds[0], &bounds[1], &bounds[2], work_);
}

Value Interpreter::evaluate_call(const Expression& expression, Scope& scope) {
  const Value callee = evaluate(*expression.parts[0], scope);
  const Arguments arguments = evaluate_arguments(expression.arguments, scope);
  line_ = expression.line;
  if (callee.is_undefined()) throw Error("{}", callee.why_undefined());
  if (callee.function() == nullptr) throw Error("a {} cannot be called", callee.type());
  return callee.function()->call(arguments);
}

Value Interpreter::evaluate_concat(const Expression& expression, Scope& scope) {
  std::string text;
  for (const ExpressionPtr& part : expression.parts) {
    const std::string more = str(evaluate(*part, scope), work_);
    work_.spend_growth(text.size(), more.size());
    text += more;
  }
  return Value(std::move(text));
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<ExpressionPtr>& parts, Scope& scope) {
  std::vector<Value> values;
  for (const ExpressionPtr& part : parts) values.push_back(evaluate(*part, scope));
  return values;
}

Arguments Interpreter::evaluate_arguments(const CallArguments& arguments, Scope& scope) {
  Arguments values{evaluate_all(arguments.given, scope), {}};
  for (const auto& [name, expression] : arguments.named) values.named.emplace_back(name, evaluate(*expression, scope));
  return values;
}

}  // namespace specdec::jinja

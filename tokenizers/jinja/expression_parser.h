// Expressions of a template. Grammar and precedence are those of jinja2/parser.py.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizers/jinja/syntax.h"
#include "tokenizers/jinja/token_cursor.h"

namespace specdec::jinja {

class ExpressionParser : protected TokenCursor {
 protected:
  using TokenCursor::TokenCursor;

  ExpressionPtr parse_expression(bool with_condition = true);
  // One expression, or a tuple without parentheses.
  ExpressionPtr parse_tuple(bool with_condition = true);
  // All filters and tests that follow; made: what they work on, null in {% filter %}.
  ExpressionPtr parse_filters(ExpressionPtr made);
  // After the |.
  ExpressionPtr parse_filter(ExpressionPtr of);

 private:
  using Kind = Expression::Kind;

  ExpressionPtr make(Kind kind, int line, std::vector<ExpressionPtr> parts = {}, std::string name = "") const;
  void deepen(Expression& expression, const ExpressionPtr& part) const;

  template <typename... Parts>
  ExpressionPtr make_of(Kind kind, int line, std::string name, Parts... parts) const {
    std::vector<ExpressionPtr> all;
    (all.push_back(std::move(parts)), ...);
    return make(kind, line, std::move(all), std::move(name));
  }

  ExpressionPtr constant(Value value, int line) const;
  ExpressionPtr with_arguments(ExpressionPtr made, CallArguments arguments) const;

  bool tuple_ends() const;
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  std::string take_comparison();
  ExpressionPtr parse_comparison();

  // Operands of the same rank, from left to right.
  template <typename Operand>
  ExpressionPtr parse_operators(std::initializer_list<std::string_view> signs, const Operand& operand) {
    ExpressionPtr made = operand();
    while (std::ranges::any_of(signs, [&](std::string_view sign) { return at_sign(sign); })) {
      const Token& sign = next();
      made = make_of(Kind::arithmetic, sign.line, sign.text, std::move(made), operand());
    }
    return made;
  }

  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters = true);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_name();
  ExpressionPtr parse_parentheses(int line);
  ExpressionPtr parse_list(int line);
  ExpressionPtr parse_dict(int line);
  ExpressionPtr parse_postfix(ExpressionPtr made);
  ExpressionPtr parse_attribute(ExpressionPtr of, int line);
  ExpressionPtr parse_item(ExpressionPtr of, int line);
  ExpressionPtr parse_call(ExpressionPtr callee);
  CallArguments parse_arguments();
  bool at_argument_of_test() const;
  ExpressionPtr parse_test(ExpressionPtr of);
};

}  // namespace specdec::jinja

#include "tokenizers/jinja/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "tokenizers/utf8.h"

namespace specdec::jinja {

ExpressionPtr ExpressionParser::make(Kind kind, int line, std::vector<ExpressionPtr> parts, std::string name) const {
  auto made = std::make_unique<Expression>(Expression{.kind = kind, .line = line, .name = std::move(name)});
  made->parts = std::move(parts);
  for (const ExpressionPtr& part : made->parts) deepen(*made, part);
  return made;
}

void ExpressionParser::deepen(Expression& expression, const ExpressionPtr& part) const {
  if (part == nullptr) return;
  expression.depth = std::max(expression.depth, part->depth + 1);
  if (expression.depth > kMostDepth) fail(fmt::format("an expression nests more than {} deep", kMostDepth));
}

ExpressionPtr ExpressionParser::constant(Value value, int line) const {
  ExpressionPtr made = make(Kind::constant, line);
  made->constant = std::move(value);
  return made;
}

ExpressionPtr ExpressionParser::with_arguments(ExpressionPtr made, CallArguments arguments) const {
  for (const ExpressionPtr& part : arguments.given) deepen(*made, part);
  for (const auto& named : arguments.named) deepen(*made, named.second);
  made->arguments = std::move(arguments);
  return made;
}

ExpressionPtr ExpressionParser::parse_expression(bool with_condition) {
  const Deeper deeper(*this);
  ExpressionPtr made = parse_or();
  while (with_condition && at_name("if")) {
    const int line = next().line;
    ExpressionPtr condition = parse_or();
    ExpressionPtr otherwise = take_name("else") ? parse_expression() : nullptr;
    made = make_of(Kind::condition, line, "", std::move(condition), std::move(made), std::move(otherwise));
  }
  return made;
}

bool ExpressionParser::tuple_ends() const {
  const Token::Kind kind = now().kind;
  return kind == Token::Kind::print_end || kind == Token::Kind::block_end || kind == Token::Kind::end || at_sign(")");
}

ExpressionPtr ExpressionParser::parse_tuple(bool with_condition) {
  const int line = now().line;
  if (tuple_ends()) fail(fmt::format("expected an expression, found {}", shown(now())));
  ExpressionPtr first = parse_expression(with_condition);
  if (!at_sign(",")) return first;
  std::vector<ExpressionPtr> parts;
  parts.push_back(std::move(first));
  while (take_sign(",") && !tuple_ends()) parts.push_back(parse_expression(with_condition));
  return make(Kind::tuple, line, std::move(parts));
}

ExpressionPtr ExpressionParser::parse_or() {
  ExpressionPtr made = parse_and();
  while (at_name("or")) {
    const int line = next().line;
    made = make_of(Kind::logical_or, line, "", std::move(made), parse_and());
  }
  return made;
}

ExpressionPtr ExpressionParser::parse_and() {
  ExpressionPtr made = parse_not();
  while (at_name("and")) {
    const int line = next().line;
    made = make_of(Kind::logical_and, line, "", std::move(made), parse_not());
  }
  return made;
}

ExpressionPtr ExpressionParser::parse_not() {
  if (!at_name("not")) return parse_comparison();
  const Deeper deeper(*this);
  const int line = next().line;
  return make_of(Kind::logical_not, line, "", parse_not());
}

std::string ExpressionParser::take_comparison() {
  for (const char* sign : {"==", "!=", "<", "<=", ">", ">="})
    if (take_sign(sign)) return sign;
  if (take_name("in")) return "in";
  if (at_name("not") && is_name(after(), "in")) {
    next();
    next();
    return "not in";
  }
  return "";
}

ExpressionPtr ExpressionParser::parse_comparison() {
  const int line = now().line;
  std::vector<ExpressionPtr> parts;
  parts.push_back(parse_sum());
  std::vector<std::string> operators;
  for (std::string found = take_comparison(); !found.empty(); found = take_comparison()) {
    operators.push_back(std::move(found));
    parts.push_back(parse_sum());
  }
  if (operators.empty()) return std::move(parts.front());
  ExpressionPtr made = make(Kind::comparison, line, std::move(parts));
  made->operators = std::move(operators);
  return made;
}

ExpressionPtr ExpressionParser::parse_sum() {
  return parse_operators({"+", "-"}, [&] { return parse_concat(); });
}

ExpressionPtr ExpressionParser::parse_concat() {
  const int line = now().line;
  std::vector<ExpressionPtr> parts;
  parts.push_back(parse_product());
  while (take_sign("~")) parts.push_back(parse_product());
  return parts.size() == 1 ? std::move(parts.front()) : make(Kind::concat, line, std::move(parts));
}

ExpressionPtr ExpressionParser::parse_product() {
  return parse_operators({"*", "/", "//", "%"}, [&] { return parse_power(); });
}

ExpressionPtr ExpressionParser::parse_power() {
  return parse_operators({"**"}, [&] { return parse_unary(); });
}

ExpressionPtr ExpressionParser::parse_unary(bool with_filters) {
  const Deeper deeper(*this);
  const int line = now().line;
  ExpressionPtr made;
  if (take_sign("-")) {
    made = make_of(Kind::negation, line, "", parse_unary(false));
  } else if (take_sign("+")) {
    made = make_of(Kind::plus, line, "", parse_unary(false));
  } else {
    made = parse_primary();
  }
  made = parse_postfix(std::move(made));
  return with_filters ? parse_filters(std::move(made)) : std::move(made);
}

ExpressionPtr ExpressionParser::parse_primary() {
  const Token& token = now();
  switch (token.kind) {
    case Token::Kind::name:
      return parse_name();
    case Token::Kind::string: {
      std::string text;
      while (now().kind == Token::Kind::string) text += next().text;
      return constant(Value(std::move(text)), token.line);
    }
    case Token::Kind::integer:
      return constant(Value(next().integer), token.line);
    case Token::Kind::real:
      return constant(Value(next().real), token.line);
    default:
      break;
  }
  if (take_sign("(")) return parse_parentheses(token.line);
  if (take_sign("[")) return parse_list(token.line);
  if (take_sign("{")) return parse_dict(token.line);
  fail(fmt::format("expected an expression, found {}", shown(token)));
}

ExpressionPtr ExpressionParser::parse_name() {
  const Token& token = next();
  if (token.text == "true" || token.text == "True") return constant(Value(true), token.line);
  if (token.text == "false" || token.text == "False") return constant(Value(false), token.line);
  if (token.text == "none" || token.text == "None") return constant(Value(None{}), token.line);
  return make(Kind::name, token.line, {}, token.text);
}

ExpressionPtr ExpressionParser::parse_parentheses(int line) {
  if (take_sign(")")) return make(Kind::tuple, line);
  ExpressionPtr made = parse_tuple();
  expect_sign(")");
  return made;
}

ExpressionPtr ExpressionParser::parse_list(int line) {
  std::vector<ExpressionPtr> parts;
  while (!take_sign("]")) {
    if (!parts.empty()) {
      expect_sign(",");
      if (take_sign("]")) break;
    }
    parts.push_back(parse_expression());
  }
  return make(Kind::list, line, std::move(parts));
}

ExpressionPtr ExpressionParser::parse_dict(int line) {
  std::vector<ExpressionPtr> parts;
  while (!take_sign("}")) {
    if (!parts.empty()) {
      expect_sign(",");
      if (take_sign("}")) break;
    }
    parts.push_back(parse_expression());
    expect_sign(":");
    parts.push_back(parse_expression());
  }
  return make(Kind::dict, line, std::move(parts));
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr made) {
  while (true) {
    const int line = now().line;
    if (take_sign(".")) {
      made = parse_attribute(std::move(made), line);
    } else if (take_sign("[")) {
      made = parse_item(std::move(made), line);
    } else if (at_sign("(")) {
      made = parse_call(std::move(made));
    } else {
      return made;
    }
  }
}

ExpressionPtr ExpressionParser::parse_attribute(ExpressionPtr of, int line) {
  if (now().kind == Token::Kind::integer)
    return make_of(Kind::item, line, "", std::move(of), constant(Value(next().integer), line));
  return make_of(Kind::attribute, line, expect_any_name(), std::move(of));
}

ExpressionPtr ExpressionParser::parse_item(ExpressionPtr of, int line) {
  const auto bound = [&]() -> ExpressionPtr {
    return at_sign(":") || at_sign("]") || at_sign(",") ? nullptr : parse_expression();
  };
  ExpressionPtr first = bound();
  if (at_sign(",")) fail("several keys in [] are not supported");
  if (!take_sign(":")) {
    if (first == nullptr) fail("expected an expression, found ']'");
    expect_sign("]");
    return make_of(Kind::item, line, "", std::move(of), std::move(first));
  }
  ExpressionPtr last = bound();
  ExpressionPtr step = take_sign(":") ? bound() : nullptr;
  expect_sign("]");
  return make_of(Kind::slice, line, "", std::move(of), std::move(first), std::move(last), std::move(step));
}

ExpressionPtr ExpressionParser::parse_call(ExpressionPtr callee) {
  const int line = now().line;
  return with_arguments(make_of(Kind::call, line, "", std::move(callee)), parse_arguments());
}

CallArguments ExpressionParser::parse_arguments() {
  CallArguments arguments;
  expect_sign("(");
  for (bool first = true; !take_sign(")"); first = false) {
    if (!first) {
      expect_sign(",");
      if (take_sign(")")) break;
    }
    if (at_sign("*") || at_sign("**")) fail("* and ** before arguments are not supported");
    if (now().kind == Token::Kind::name && after().kind == Token::Kind::sign && after().text == "=") {
      std::string name = next().text;
      next();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (!arguments.named.empty()) fail("an argument without a name stands after one with a name");
      arguments.given.push_back(parse_expression());
    }
  }
  return arguments;
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr made) {
  while (true) {
    if (at_sign("|")) {
      next();
      made = parse_filter(std::move(made));
    } else if (made != nullptr && at_name("is")) {
      made = parse_test(std::move(made));
    } else if (made != nullptr && at_sign("(")) {
      made = parse_call(std::move(made));
    } else {
      return made;
    }
  }
}

ExpressionPtr ExpressionParser::parse_filter(ExpressionPtr of) {
  const int line = now().line;
  std::string name = expect_dotted_name();
  ExpressionPtr made = make_of(Kind::filter, line, std::move(name), std::move(of));
  return at_sign("(") ? with_arguments(std::move(made), parse_arguments()) : std::move(made);
}

bool ExpressionParser::at_argument_of_test() const {
  switch (now().kind) {
    case Token::Kind::name:
      for (const char* word : {"else", "or", "and", "if", "in"})
        if (at_name(word)) return false;
      return true;
    case Token::Kind::string:
    case Token::Kind::integer:
    case Token::Kind::real:
      return true;
    default:
      return at_sign("[") || at_sign("{");
  }
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr of) {
  const int line = next().line;
  const bool negated = take_name("not");
  std::string name = expect_dotted_name();
  ExpressionPtr made = make_of(Kind::test, line, std::move(name), std::move(of));
  if (at_sign("(")) {
    made = with_arguments(std::move(made), parse_arguments());
  } else if (at_argument_of_test()) {
    if (at_name("is")) fail("one test follows another; put the first in parentheses");
    CallArguments arguments;
    arguments.given.push_back(parse_postfix(parse_primary()));
    made = with_arguments(std::move(made), std::move(arguments));
  }
  return negated ? make_of(Kind::logical_not, line, "", std::move(made)) : std::move(made);
}

}  // namespace specdec::jinja

#include "tokenizers/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "tokenizers/jinja/lexer.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

using Kind = Expression::Kind;
using Do = Statement::Kind;

constexpr int kMostDepth = 200;

// Grammar and precedence are those of jinja2/parser.py.
class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokens_of(source)) {}

  Block all() {
    Block block = parse_block({});
    if (now().kind != Token::Kind::end) fail(fmt::format("unexpected {}", shown(now())));
    return block;
  }

 private:
  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() { return tokens_[now().kind == Token::Kind::end ? at_ : at_++]; }

  [[noreturn]] void fail(std::string what) const { throw SyntaxError{now().line, std::move(what)}; }

  static std::string shown(const Token& token) {
    switch (token.kind) {
      case Token::Kind::data:
        return "text";
      case Token::Kind::print_begin:
        return "{{";
      case Token::Kind::print_end:
        return "}}";
      case Token::Kind::block_begin:
        return "{%";
      case Token::Kind::block_end:
        return "%}";
      case Token::Kind::end:
        return "end of the template";
      default:
        return fmt::format("'{}'", excerpt(token.text));
    }
  }

  static bool is_name(const Token& token, std::string_view name) {
    return token.kind == Token::Kind::name && token.text == name;
  }
  bool at_name(std::string_view name) const { return is_name(now(), name); }
  bool at_sign(std::string_view sign) const { return now().kind == Token::Kind::sign && now().text == sign; }
  bool take_name(std::string_view name) { return at_name(name) && (++at_, true); }
  bool take_sign(std::string_view sign) { return at_sign(sign) && (++at_, true); }

  void expect_sign(std::string_view sign) {
    if (!take_sign(sign)) fail(fmt::format("expected '{}', found {}", sign, shown(now())));
  }
  void expect_name(std::string_view name) {
    if (!take_name(name)) fail(fmt::format("expected '{}', found {}", name, shown(now())));
  }
  void expect(Token::Kind kind, std::string_view what) {
    if (now().kind != kind) fail(fmt::format("expected {}, found {}", what, shown(now())));
    ++at_;
  }
  std::string expect_any_name() {
    if (now().kind != Token::Kind::name) fail(fmt::format("expected a name, found {}", shown(now())));
    return next().text;
  }

  std::string expect_dotted_name() {
    std::string name = expect_any_name();
    while (take_sign(".")) {
      name += '.';
      name += expect_any_name();
    }
    return name;
  }

  // Counts how deep the functions of the grammar are in each other.
  class Deeper {
   public:
    explicit Deeper(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMostDepth) parser_.fail(fmt::format("nests more than {} deep", kMostDepth));
    }
    ~Deeper() { --parser_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Parser& parser_;
  };

  ExpressionPtr make(Kind kind, int line, std::vector<ExpressionPtr> parts = {}, std::string name = "") const {
    auto made = std::make_unique<Expression>(Expression{.kind = kind, .line = line, .name = std::move(name)});
    made->parts = std::move(parts);
    for (const ExpressionPtr& part : made->parts) deepen(*made, part);
    return made;
  }

  void deepen(Expression& expression, const ExpressionPtr& part) const {
    if (part == nullptr) return;
    expression.depth = std::max(expression.depth, part->depth + 1);
    if (expression.depth > kMostDepth) fail(fmt::format("an expression nests more than {} deep", kMostDepth));
  }

  template <typename... Parts>
  ExpressionPtr make_of(Kind kind, int line, std::string name, Parts... parts) const {
    std::vector<ExpressionPtr> all;
    (all.push_back(std::move(parts)), ...);
    return make(kind, line, std::move(all), std::move(name));
  }

  ExpressionPtr constant(Value value, int line) const {
    ExpressionPtr made = make(Kind::constant, line);
    made->constant = std::move(value);
    return made;
  }

  ExpressionPtr with_arguments(ExpressionPtr made, CallArguments arguments) const {
    for (const ExpressionPtr& part : arguments.given) deepen(*made, part);
    for (const auto& named : arguments.named) deepen(*made, named.second);
    made->arguments = std::move(arguments);
    return made;
  }

  // Statements.

  Block parse_block(std::initializer_list<std::string_view> ends) {
    const Deeper deeper(*this);
    Block block;
    while (true) {
      const int line = now().line;
      switch (now().kind) {
        case Token::Kind::data:
          block.push_back({.kind = Do::text, .line = line, .text = next().text});
          break;
        case Token::Kind::print_begin: {
          ++at_;
          block.push_back({.kind = Do::print, .line = line, .expression = parse_tuple()});
          expect(Token::Kind::print_end, "}}");
          break;
        }
        case Token::Kind::block_begin: {
          if (std::ranges::any_of(ends, [&](std::string_view end) { return is_name(after(), end); })) return block;
          ++at_;
          block.push_back(parse_statement());
          break;
        }
        default:
          if (now().kind == Token::Kind::end && ends.size() > 0)
            fail(fmt::format("{{% {} %}} is missing", *(ends.end() - 1)));
          return block;
      }
    }
  }

  // Up to {% end %}, which is taken.
  Block parse_body(std::string_view end) {
    end_of_block();
    Block body = parse_block({end});
    ++at_;
    expect_name(end);
    end_of_block();
    return body;
  }

  void end_of_block() { expect(Token::Kind::block_end, "%}"); }

  Statement parse_statement() {
    const int line = now().line;
    const std::string name = expect_any_name();
    if (name == "if") return parse_if(line);
    if (name == "for") return parse_for(line);
    if (name == "set") return parse_set(line);
    if (name == "macro") return parse_macro(line);
    if (name == "with") return parse_with(line);
    if (name == "filter") return parse_filter_block(line);
    if (name == "generation") return {.kind = Do::scope, .line = line, .body = parse_body("endgeneration")};
    if (name == "break" || name == "continue") {
      if (loops_ == 0) fail(fmt::format("{{% {} %}} stands in no loop", name));
      end_of_block();
      return {.kind = name == "break" ? Do::break_loop : Do::next_turn, .line = line};
    }
    throw SyntaxError{line, fmt::format("{{% {} %}} is not supported", excerpt(name))};
  }

  Statement parse_if(int line) {
    Statement made{.kind = Do::branches, .line = line};
    made.branches.push_back({parse_tuple(false), {}});
    while (true) {
      end_of_block();
      made.branches.back().body = parse_block({"elif", "else", "endif"});
      ++at_;
      if (take_name("elif") && made.branches.back().condition != nullptr) {
        made.branches.push_back({parse_tuple(false), {}});
      } else if (made.branches.back().condition != nullptr && take_name("else")) {
        made.branches.push_back({nullptr, {}});
      } else {
        expect_name("endif");
        end_of_block();
        return made;
      }
    }
  }

  Statement parse_for(int line) {
    Statement made{.kind = Do::loop, .line = line, .target = parse_target()};
    expect_name("in");
    made.expression = parse_tuple(false);
    if (take_name("if")) made.condition = parse_expression();
    if (at_name("recursive")) fail("a recursive loop is not supported");
    end_of_block();
    ++loops_;
    made.body = parse_block({"else", "endfor"});
    --loops_;
    ++at_;
    if (take_name("else")) {
      end_of_block();
      made.otherwise = parse_block({"endfor"});
      ++at_;
    }
    expect_name("endfor");
    end_of_block();
    return made;
  }

  Statement parse_set(int line) {
    Statement made{.kind = Do::set, .line = line, .target = parse_target(true)};
    if (take_sign("=")) {
      made.expression = parse_tuple();
      end_of_block();
      return made;
    }
    made.kind = Do::set_block;
    made.expression = parse_filters(nullptr);
    made.body = parse_body_outside_loops("endset");
    return made;
  }

  Statement parse_macro(int line) {
    Statement made{.kind = Do::macro, .line = line};
    made.macro.name = expect_any_name();
    expect_sign("(");
    while (!take_sign(")")) {
      if (!made.macro.parameters.empty()) expect_sign(",");
      std::string parameter = expect_any_name();
      ExpressionPtr otherwise = take_sign("=") ? parse_expression() : nullptr;
      if (otherwise == nullptr && !made.macro.parameters.empty() && made.macro.parameters.back().second != nullptr)
        fail(fmt::format("parameter '{}' has no default, but one before it has", excerpt(parameter)));
      made.macro.parameters.emplace_back(std::move(parameter), std::move(otherwise));
    }
    made.macro.body = std::make_shared<const Block>(parse_body_outside_loops("endmacro"));
    return made;
  }

  Statement parse_with(int line) {
    Statement made{.kind = Do::with, .line = line};
    while (now().kind != Token::Kind::block_end) {
      if (!made.sets.empty()) expect_sign(",");
      Target target = parse_target();
      expect_sign("=");
      made.sets.emplace_back(std::move(target), parse_expression());
    }
    made.body = parse_body("endwith");
    return made;
  }

  Statement parse_filter_block(int line) {
    Statement made{.kind = Do::filter, .line = line};
    made.expression = parse_filter(nullptr);
    made.expression = parse_filters(std::move(made.expression));
    made.body = parse_body_outside_loops("endfilter");
    return made;
  }

  Block parse_body_outside_loops(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Block body = parse_body(end);
    loops_ = loops;
    return body;
  }

  Target parse_target(bool may_be_attribute = false) {
    Target first = parse_one_target(may_be_attribute);
    if (!at_sign(",")) return first;
    Target all;
    all.parts.push_back(std::move(first));
    while (take_sign(",")) {
      if (now().kind != Token::Kind::name && !at_sign("(")) break;
      if (at_name("in")) break;
      all.parts.push_back(parse_one_target(false));
    }
    return all;
  }

  Target parse_one_target(bool may_be_attribute) {
    const Deeper deeper(*this);
    if (take_sign("(")) {
      Target inside = parse_target();
      expect_sign(")");
      return inside;
    }
    Target target{expect_any_name(), "", {}};
    for (const char* word : {"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if"})
      if (target.name == word) fail(fmt::format("cannot assign to '{}'", word));
    if (may_be_attribute && take_sign(".")) target.attribute = expect_any_name();
    return target;
  }

  // Expressions.

  ExpressionPtr parse_expression(bool with_condition = true) {
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

  bool tuple_ends() const {
    const Token::Kind kind = now().kind;
    return kind == Token::Kind::print_end || kind == Token::Kind::block_end || kind == Token::Kind::end || at_sign(")");
  }

  // One expression, or a tuple without parentheses.
  ExpressionPtr parse_tuple(bool with_condition = true) {
    const int line = now().line;
    if (tuple_ends()) fail(fmt::format("expected an expression, found {}", shown(now())));
    ExpressionPtr first = parse_expression(with_condition);
    if (!at_sign(",")) return first;
    std::vector<ExpressionPtr> parts;
    parts.push_back(std::move(first));
    while (take_sign(",") && !tuple_ends()) parts.push_back(parse_expression(with_condition));
    return make(Kind::tuple, line, std::move(parts));
  }

  ExpressionPtr parse_or() {
    ExpressionPtr made = parse_and();
    while (at_name("or")) {
      const int line = next().line;
      made = make_of(Kind::logical_or, line, "", std::move(made), parse_and());
    }
    return made;
  }

  ExpressionPtr parse_and() {
    ExpressionPtr made = parse_not();
    while (at_name("and")) {
      const int line = next().line;
      made = make_of(Kind::logical_and, line, "", std::move(made), parse_not());
    }
    return made;
  }

  ExpressionPtr parse_not() {
    if (!at_name("not")) return parse_comparison();
    const Deeper deeper(*this);
    const int line = next().line;
    return make_of(Kind::logical_not, line, "", parse_not());
  }

  std::string take_comparison() {
    for (const char* sign : {"==", "!=", "<", "<=", ">", ">="})
      if (take_sign(sign)) return sign;
    if (take_name("in")) return "in";
    if (at_name("not") && is_name(after(), "in")) {
      at_ += 2;
      return "not in";
    }
    return "";
  }

  ExpressionPtr parse_comparison() {
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

  ExpressionPtr parse_sum() {
    return parse_operators({"+", "-"}, [&] { return parse_concat(); });
  }

  ExpressionPtr parse_concat() {
    const int line = now().line;
    std::vector<ExpressionPtr> parts;
    parts.push_back(parse_product());
    while (take_sign("~")) parts.push_back(parse_product());
    return parts.size() == 1 ? std::move(parts.front()) : make(Kind::concat, line, std::move(parts));
  }

  ExpressionPtr parse_product() {
    return parse_operators({"*", "/", "//", "%"}, [&] { return parse_power(); });
  }

  ExpressionPtr parse_power() {
    return parse_operators({"**"}, [&] { return parse_unary(); });
  }

  ExpressionPtr parse_unary(bool with_filters = true) {
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

  ExpressionPtr parse_primary() {
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

  ExpressionPtr parse_name() {
    const Token& token = next();
    if (token.text == "true" || token.text == "True") return constant(Value(true), token.line);
    if (token.text == "false" || token.text == "False") return constant(Value(false), token.line);
    if (token.text == "none" || token.text == "None") return constant(Value(None{}), token.line);
    return make(Kind::name, token.line, {}, token.text);
  }

  ExpressionPtr parse_parentheses(int line) {
    if (take_sign(")")) return make(Kind::tuple, line);
    ExpressionPtr made = parse_tuple();
    expect_sign(")");
    return made;
  }

  ExpressionPtr parse_list(int line) {
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

  ExpressionPtr parse_dict(int line) {
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

  ExpressionPtr parse_postfix(ExpressionPtr made) {
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

  ExpressionPtr parse_attribute(ExpressionPtr of, int line) {
    if (now().kind == Token::Kind::integer)
      return make_of(Kind::item, line, "", std::move(of), constant(Value(next().integer), line));
    return make_of(Kind::attribute, line, expect_any_name(), std::move(of));
  }

  ExpressionPtr parse_item(ExpressionPtr of, int line) {
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

  ExpressionPtr parse_call(ExpressionPtr callee) {
    const int line = now().line;
    return with_arguments(make_of(Kind::call, line, "", std::move(callee)), parse_arguments());
  }

  CallArguments parse_arguments() {
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
        ++at_;
        arguments.named.emplace_back(std::move(name), parse_expression());
      } else {
        if (!arguments.named.empty()) fail("an argument without a name stands after one with a name");
        arguments.given.push_back(parse_expression());
      }
    }
    return arguments;
  }

  ExpressionPtr parse_filters(ExpressionPtr made) {
    while (true) {
      if (at_sign("|")) {
        ++at_;
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

  // After the |.
  ExpressionPtr parse_filter(ExpressionPtr of) {
    const int line = now().line;
    std::string name = expect_dotted_name();
    ExpressionPtr made = make_of(Kind::filter, line, std::move(name), std::move(of));
    return at_sign("(") ? with_arguments(std::move(made), parse_arguments()) : std::move(made);
  }

  bool at_argument_of_test() const {
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

  ExpressionPtr parse_test(ExpressionPtr of) {
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

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

Block parse(std::string_view source) { return Parser(source).all(); }

}  // namespace specdec::jinja

#include "tokenizers/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "tokenizers/jinja/expression_parser.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

using Do = Statement::Kind;

// Statements, and the text between them.
class Parser : private ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(source) {}

  Block all() {
    Block block = parse_block({});
    if (now().kind != Token::Kind::end) fail(fmt::format("unexpected {}", shown(now())));
    return block;
  }

 private:
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
          next();
          block.push_back({.kind = Do::print, .line = line, .expression = parse_tuple()});
          expect(Token::Kind::print_end, "}}");
          break;
        }
        case Token::Kind::block_begin: {
          if (std::ranges::any_of(ends, [&](std::string_view end) { return is_name(after(), end); })) return block;
          next();
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
    next();
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
      next();
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
    next();
    if (take_name("else")) {
      end_of_block();
      made.otherwise = parse_block({"endfor"});
      next();
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

  int loops_ = 0;
};

}  // namespace

Block parse(std::string_view source) { return Parser(source).all(); }

}  // namespace specdec::jinja

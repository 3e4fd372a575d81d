#include "tokenizers/jinja/token_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizers/utf8.h"

namespace specdec::jinja {

const Token& TokenCursor::now() const { return tokens_[at_]; }

const Token& TokenCursor::after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }

const Token& TokenCursor::next() { return tokens_[now().kind == Token::Kind::end ? at_ : at_++]; }

void TokenCursor::fail(std::string what) const { throw SyntaxError{now().line, std::move(what)}; }

std::string TokenCursor::shown(const Token& token) {
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

bool TokenCursor::is_name(const Token& token, std::string_view name) {
  return token.kind == Token::Kind::name && token.text == name;
}

bool TokenCursor::at_name(std::string_view name) const { return is_name(now(), name); }

bool TokenCursor::at_sign(std::string_view sign) const { return now().kind == Token::Kind::sign && now().text == sign; }

bool TokenCursor::take_name(std::string_view name) { return at_name(name) && (++at_, true); }

bool TokenCursor::take_sign(std::string_view sign) { return at_sign(sign) && (++at_, true); }

void TokenCursor::expect_sign(std::string_view sign) {
  if (!take_sign(sign)) fail(fmt::format("expected '{}', found {}", sign, shown(now())));
}

void TokenCursor::expect_name(std::string_view name) {
  if (!take_name(name)) fail(fmt::format("expected '{}', found {}", name, shown(now())));
}

void TokenCursor::expect(Token::Kind kind, std::string_view what) {
  if (now().kind != kind) fail(fmt::format("expected {}, found {}", what, shown(now())));
  ++at_;
}

std::string TokenCursor::expect_any_name() {
  if (now().kind != Token::Kind::name) fail(fmt::format("expected a name, found {}", shown(now())));
  return next().text;
}

std::string TokenCursor::expect_dotted_name() {
  std::string name = expect_any_name();
  while (take_sign(".")) {
    name += '.';
    name += expect_any_name();
  }
  return name;
}

}  // namespace specdec::jinja

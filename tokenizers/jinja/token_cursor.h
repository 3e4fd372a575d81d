// Where a parser stands in the tokens of a template, and what may stand there.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/jinja/lexer.h"

namespace specdec::jinja {

class TokenCursor {
 protected:
  static constexpr int kMostDepth = 200;

  explicit TokenCursor(std::string_view source) : tokens_(tokens_of(source)) {}

  // The token here, the one after it, and this one with a step forward; the last one stays.
  const Token& now() const;
  const Token& after() const;
  const Token& next();

  [[noreturn]] void fail(std::string what) const;
  static std::string shown(const Token& token);
  static bool is_name(const Token& token, std::string_view name);

  bool at_name(std::string_view name) const;
  bool at_sign(std::string_view sign) const;
  bool take_name(std::string_view name);
  bool take_sign(std::string_view sign);

  // Throw SyntaxError if something else stands here.
  void expect_sign(std::string_view sign);
  void expect_name(std::string_view name);
  void expect(Token::Kind kind, std::string_view what);
  std::string expect_any_name();
  std::string expect_dotted_name();

  // Counts how deep the functions of the grammar are in each other.
  class Deeper {
   public:
    explicit Deeper(TokenCursor& cursor) : cursor_(cursor) {
      if (++cursor_.depth_ > kMostDepth) cursor_.fail(fmt::format("nests more than {} deep", kMostDepth));
    }
    ~Deeper() { --cursor_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    TokenCursor& cursor_;
  };

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace specdec::jinja

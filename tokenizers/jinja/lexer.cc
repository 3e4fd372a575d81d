#include "tokenizers/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>

#include "tokenizers/jinja/python_text.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

using Kind = Token::Kind;

constexpr std::array<std::string_view, 29> kSigns{"**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/",
                                                  "%",  "~",  "[",  "]",  "(",  ")",  "{", "}", ">", "<",
                                                  "=",  ".",  ":",  "|",  ",",  ";",  "!", "@", "&"};

// Line ends of any sort become \n; one at the very end goes.
std::string normalized(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool is_return = source[i] == '\r';
    text += is_return ? '\n' : source[i];
    if (is_return && i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_begin(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_blank(std::string_view text) { return stripped(text, Ends::left).empty(); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)), rest_(source_) {}

  std::vector<Token> all() {
    while (!rest_.empty()) read_text();
    add(Kind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string what) const { throw SyntaxError{line_, std::move(what)}; }

  void add(Kind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  std::string_view take(std::size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    line_ += static_cast<int>(std::ranges::count(taken, '\n'));
    rest_.remove_prefix(bytes);
    if (!taken.empty()) line_starts_ = taken.back() == '\n';
    return taken;
  }

  void skip_space() { take(rest_.size() - stripped(rest_, Ends::left).size()); }

  // The text before a tag, as the sign after the tag's brackets wants it; '\0' if there is none.
  std::string_view before_tag(std::string_view text, char sign, bool is_print) const {
    if (sign == '-') return stripped(text, Ends::right);
    if (sign == '+' || is_print) return text;
    const std::size_t last = text.rfind('\n');
    const std::size_t begin = last == text.npos ? 0 : last + 1;
    return (begin > 0 || line_starts_) && is_blank(text.substr(begin)) ? text.substr(0, begin) : text;
  }

  char sign_at(std::size_t at) const {
    return at < rest_.size() && (rest_[at] == '-' || rest_[at] == '+') ? rest_[at] : '\0';
  }

  // Data up to the next tag, and the tag.
  void read_text() {
    std::size_t at = rest_.find('{');
    while (at != rest_.npos &&
           !(at + 1 < rest_.size() && (rest_[at + 1] == '{' || rest_[at + 1] == '%' || rest_[at + 1] == '#')))
      at = rest_.find('{', at + 1);
    if (at == rest_.npos) {
      add(Kind::data, std::string(take(rest_.size())));
      return;
    }
    const char tag = rest_[at + 1];
    const char sign = sign_at(at + 2);
    const std::string data(before_tag(rest_.substr(0, at), sign, tag == '{'));
    if (!data.empty()) add(Kind::data, data);
    take(at + 2 + (sign != '\0' ? 1 : 0));
    if (tag == '#') {
      read_comment();
    } else if (tag == '%' && take_word("raw")) {
      read_raw();
    } else {
      read_inside(tag == '{' ? Kind::print_begin : Kind::block_begin, tag == '{' ? Kind::print_end : Kind::block_end,
                  tag == '{' ? "}}" : "%}");
    }
  }

  // Of `{% raw %}`: takes nothing unless it is all of the block.
  bool take_word(std::string_view word) {
    std::string_view after = stripped(rest_, Ends::left);
    if (!after.starts_with(word)) return false;
    after = stripped(after.substr(word.size()), Ends::left);
    if (!after.starts_with("%}") && !after.starts_with("-%}")) return false;
    take(rest_.size() - after.size());
    end_tag("%}", false);
    return true;
  }

  // The end of a tag, and the white space after it that goes.
  void end_tag(std::string_view end, bool trims) {
    const bool strips = rest_.front() == '-';
    const bool keeps = rest_.front() == '+';
    take(end.size() + (strips || keeps ? 1 : 0));
    if (strips) skip_space();
    if (trims && !strips && !keeps && rest_.starts_with('\n')) take(1);
  }

  bool at_end(std::string_view end, bool may_keep) const {
    return rest_.starts_with(end) ||
           ((rest_.starts_with('-') || (may_keep && rest_.starts_with('+'))) && rest_.substr(1).starts_with(end));
  }

  void read_comment() {
    const std::size_t at = rest_.find("#}");
    if (at == rest_.npos) fail("a comment {# is not closed");
    take(at > 0 && sign_at(at - 1) != '\0' ? at - 1 : at);
    end_tag("#}", true);
  }

  void read_raw() {
    for (std::size_t at = rest_.find("{%"); at != rest_.npos; at = rest_.find("{%", at + 1)) {
      const char sign = sign_at(at + 2);
      const std::size_t after = at + 2 + (sign != '\0' ? 1 : 0);
      std::string_view word = stripped(rest_.substr(after), Ends::left);
      if (!word.starts_with("endraw")) continue;
      word = stripped(word.substr(6), Ends::left);
      if (!word.starts_with("%}") && !word.starts_with("-%}") && !word.starts_with("+%}")) continue;
      const std::string data(before_tag(rest_.substr(0, at), sign, false));
      if (!data.empty()) add(Kind::data, data);
      take(rest_.size() - word.size());
      end_tag("%}", true);
      return;
    }
    fail("{% raw %} has no {% endraw %}");
  }

  void read_inside(Kind begin, Kind end, std::string_view closing) {
    add(begin, "");
    std::string open;
    while (true) {
      skip_space();
      if (rest_.empty()) fail(fmt::format("{} is missing", closing));
      if (open.empty() && at_end(closing, end == Kind::block_end)) break;
      read_token(open);
    }
    add(end, "");
    end_tag(closing, end == Kind::block_end);
  }

  void read_token(std::string& open) {
    const char c = rest_.front();
    if (is_digit(c)) {
      read_number();
    } else if (is_name_begin(c)) {
      std::size_t length = 1;
      while (length < rest_.size() && (is_name_begin(rest_[length]) || is_digit(rest_[length]))) ++length;
      add(Kind::name, std::string(rest_.substr(0, length)));
      take(length);
    } else if (c == '"' || c == '\'') {
      read_string(c);
    } else {
      read_sign(open);
    }
  }

  void read_sign(std::string& open) {
    const auto found = std::ranges::find_if(kSigns, [&](std::string_view sign) { return rest_.starts_with(sign); });
    if (found == kSigns.end()) fail(fmt::format("unexpected '{}'", excerpt(rest_.substr(0, 1))));
    const char c = found->front();
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      const char opening = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != opening) fail(fmt::format("unexpected '{}'", c));
      open.pop_back();
    }
    add(Kind::sign, std::string(*found));
    take(found->size());
  }

  std::size_t digits_at(std::size_t at) const {
    std::size_t end = at;
    while (end < rest_.size() && (is_digit(rest_[end]) || (rest_[end] == '_' && end > at))) ++end;
    return end;
  }

  void read_number() {
    std::size_t end = digits_at(0);
    bool is_real = false;
    const bool is_item = !tokens_.empty() && tokens_.back().text == ".";  // of x.0.1
    if (!is_item && end + 1 < rest_.size() && rest_[end] == '.' && is_digit(rest_[end + 1])) {
      end = digits_at(end + 1);
      is_real = true;
    }
    if (end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
      const std::size_t digits = end + 1 + (sign_at(end + 1) != '\0' ? 1 : 0);
      if (digits < rest_.size() && is_digit(rest_[digits])) {
        end = digits_at(digits);
        is_real = true;
      }
    }
    std::string text(rest_.substr(0, end));
    std::erase(text, '_');
    add(is_real ? Kind::real : Kind::integer, text);
    if (is_real) {
      tokens_.back().real = std::strtod(text.c_str(), nullptr);
    } else {
      errno = 0;
      tokens_.back().integer = std::strtoll(text.c_str(), nullptr, 10);
      if (errno == ERANGE) fail(fmt::format("the number {} is too large", excerpt(text)));
      if (text.size() > 1 && text.front() == '0' && text.find_first_not_of('0') != text.npos)
        fail(fmt::format("the number {} begins with 0", excerpt(text)));
    }
    take(end);
  }

  void read_string(char quote) {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) fail("a text in quotes is not closed");
    add(Kind::string, unescaped(rest_.substr(1, end - 1)));
    take(end + 1);
  }

  std::string unescaped(std::string_view text) const {
    std::string result;
    while (!text.empty()) {
      const std::size_t plain = std::min(text.find('\\'), text.size());
      result += text.substr(0, plain);
      text.remove_prefix(plain);
      if (!text.empty()) take_escape(text, result);
    }
    return result;
  }

  // Python's: what it does not know stays as it is.
  void take_escape(std::string_view& text, std::string& result) const {
    constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
    const char c = text[1];
    if (const std::size_t at = kFrom.find(c); at != kFrom.npos) {
      result += kTo[at];
      text.remove_prefix(2);
    } else if (c == '\n') {
      text.remove_prefix(2);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      append_code(text.substr(2, digits), digits, 16, result);
      text.remove_prefix(2 + digits);
    } else if (c >= '0' && c <= '7') {
      std::size_t end = 1;
      while (end < 4 && end < text.size() && text[end] >= '0' && text[end] <= '7') ++end;
      append_code(text.substr(1, end - 1), end - 1, 8, result);
      text.remove_prefix(end);
    } else if (c == 'N') {
      fail("\\N{…} in a text in quotes is not supported");
    } else {
      result += '\\';
      text.remove_prefix(1);
    }
  }

  void append_code(std::string_view digits, std::size_t length, int base, std::string& result) const {
    const auto is_digit_of_base = [&](char c) {
      return is_digit(c) || (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
    };
    const std::string text(digits);
    const unsigned long code = std::strtoul(text.c_str(), nullptr, base);
    if (text.size() != length || !std::ranges::all_of(text, is_digit_of_base) || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000)) {
      fail(fmt::format("a text in quotes has a bad escape: {}", excerpt(text)));
    }
    append_utf8(static_cast<char32_t>(code), result);
  }

  std::string source_;
  std::string_view rest_;
  int line_ = 1;
  bool line_starts_ = true;  // what was read last ends a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).all(); }

}  // namespace specdec::jinja

#include "tokenizers/jinja/python_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cmath>

#include "tokenizers/jinja/text_search.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {
namespace {

char32_t code_of(std::string_view character) { return utf8_front(character).code; }

utf8proc_category_t category_of(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

bool is_valid(std::string_view character) { return utf8_front(character).state == Utf8Char::State::complete; }

// Upper cases of more than one character, of Unicode's SpecialCasing, as far as letters in use have them.
std::string_view long_upper(char32_t code) {
  switch (code) {
    case 0xDF:
      return "SS";
    case 0x149:
      return "\u02BCN";
    case 0x1F0:
      return "J\u030C";
    case 0x390:
      return "\u0399\u0308\u0301";
    case 0x3B0:
      return "\u03A5\u0308\u0301";
    case 0x587:
      return "\u0535\u0552";
    case 0xFB00:
      return "FF";
    case 0xFB01:
      return "FI";
    case 0xFB02:
      return "FL";
    case 0xFB03:
      return "FFI";
    case 0xFB04:
      return "FFL";
    case 0xFB05:
    case 0xFB06:
      return "ST";
    default:
      return "";
  }
}

enum class Case { upper, lower, title };

void append_in(Case wanted, std::string_view character, std::string& text) {
  const char32_t code = code_of(character);
  if (!is_valid(character)) {
    text += character;
  } else if (wanted == Case::lower && code == 0x130) {
    text += "i\u0307";
  } else if (wanted == Case::upper && !long_upper(code).empty()) {
    text += long_upper(code);
  } else if (wanted == Case::title && !long_upper(code).empty()) {
    const std::string_view first = long_upper(code);
    const std::size_t length = utf8_front(first).length;
    text += first.substr(0, length);
    text += lower(first.substr(length));
  } else {
    const auto from = static_cast<utf8proc_int32_t>(code);
    const utf8proc_int32_t to = wanted == Case::upper   ? utf8proc_toupper(from)
                                : wanted == Case::lower ? utf8proc_tolower(from)
                                                        : utf8proc_totitle(from);
    append_utf8(static_cast<char32_t>(to), text);
  }
}

bool is_cased(char32_t code) {
  const auto category = category_of(code);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
}

bool is_letter(char32_t code) {
  const auto category = category_of(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

// A capital sigma at the end of a word is written otherwise.
bool ends_word(const std::vector<std::string_view>& characters, std::size_t at) {
  const bool letter_before = at > 0 && is_cased(code_of(characters[at - 1]));
  const bool letter_after = at + 1 < characters.size() && is_cased(code_of(characters[at + 1]));
  return letter_before && !letter_after;
}

void append_lower(const std::vector<std::string_view>& characters, std::size_t at, std::string& text) {
  constexpr char32_t kSigma = 0x3A3;
  if (code_of(characters[at]) == kSigma && ends_word(characters, at)) {
    text += "\u03C2";
  } else {
    append_in(Case::lower, characters[at], text);
  }
}

std::string lower_of(const std::vector<std::string_view>& characters, std::size_t from) {
  std::string text;
  for (std::size_t i = from; i < characters.size(); ++i) append_lower(characters, i, text);
  return text;
}

bool all_in(std::string_view text, utf8proc_category_t wanted, utf8proc_category_t other) {
  bool any = false;
  for (const std::string_view character : characters_of(text)) {
    const auto category = category_of(code_of(character));
    if (category == other || category == UTF8PROC_CATEGORY_LT) return false;
    any = any || category == wanted;
  }
  return any;
}

bool is_of(char32_t code, Sort sort) {
  switch (sort) {
    case Sort::alpha:
      return is_letter(code);
    case Sort::digit:
      return category_of(code) == UTF8PROC_CATEGORY_ND;
    case Sort::alnum: {
      const auto category = category_of(code);
      return is_letter(code) || category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
             category == UTF8PROC_CATEGORY_NO;
    }
    case Sort::space:
      return is_space(code);
  }
  return false;
}

bool is_printable(char32_t code) {
  switch (category_of(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return code == ' ';
    default:
      return true;
  }
}

std::string escaped_code(char32_t code) {
  const auto number = static_cast<std::uint32_t>(code);
  if (number < 0x100) return fmt::format("\\x{:02x}", number);
  return number < 0x10000 ? fmt::format("\\u{:04x}", number) : fmt::format("\\U{:08x}", number);
}

bool ends_line(char32_t code) {
  return (code >= 0xA && code <= 0xD) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

}  // namespace

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  each_character(text, [&](const Utf8Char&, std::string_view character) { characters.push_back(character); });
  return characters;
}

std::size_t length_of(std::string_view text) {
  std::size_t length = 0;
  each_character(text, [&](const Utf8Char&, std::string_view) { ++length; });
  return length;
}

bool is_space(char32_t code) {
  return (code >= 0x9 && code <= 0xD) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000;
}

namespace {

template <typename Goes>
std::string_view stripped_of(std::string_view text, Ends ends, const Goes& goes) {
  while (ends != Ends::right && !text.empty()) {
    const std::string_view front = text.substr(0, utf8_front(text).length);
    if (!goes(front)) break;
    text.remove_prefix(front.size());
  }
  while (ends != Ends::left && !text.empty()) {
    const std::string_view back = text.substr(text.size() - utf8_back(text).length);
    if (!goes(back)) break;
    text.remove_suffix(back.size());
  }
  return text;
}

}  // namespace

std::string_view stripped(std::string_view text, Ends ends) {
  return stripped_of(text, ends,
                     [](std::string_view character) { return is_valid(character) && is_space(code_of(character)); });
}

std::string_view stripped(std::string_view text, Ends ends, std::string_view characters, Work& work) {
  work.spend(4 * characters.size());
  std::vector<std::string_view> wanted = characters_of(characters);
  std::ranges::sort(wanted);
  return stripped_of(text, ends, [&](std::string_view character) {
    work.spend(1);
    return std::ranges::binary_search(wanted, character);
  });
}

std::vector<std::string_view> split_at_space(std::string_view text, std::int64_t most) {
  std::vector<std::string_view> parts;
  text = stripped(text, Ends::left);
  while (!text.empty() && (most < 0 || static_cast<std::int64_t>(parts.size()) < most)) {
    std::size_t end = 0;
    while (end < text.size()) {
      const Utf8Char c = utf8_front(text.substr(end));
      if (c.state == Utf8Char::State::complete && is_space(c.code)) break;
      end += c.length;
    }
    parts.push_back(text.substr(0, end));
    text = stripped(text.substr(end), Ends::left);
  }
  if (!text.empty()) parts.push_back(stripped(text, Ends::right));
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t most,
                                       Work& work) {
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t at = find_text(text, separator, work);
    if (at == text.npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_at_from_right(std::string_view text, std::string_view separator, std::int64_t most,
                                                  Work& work) {
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t at = find_last_text(text, separator, work);
    if (at == text.npos) break;
    parts.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0, at = 0;
  while (at < text.size()) {
    const Utf8Char c = utf8_front(text.substr(at));
    if (c.state != Utf8Char::State::complete || !ends_line(c.code)) {
      at += c.length;
      continue;
    }
    lines.push_back(text.substr(begin, at - begin));
    at += text.substr(at).starts_with("\r\n") ? 2 : c.length;
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string replaced(std::string_view text, std::string_view old, std::string_view by, std::int64_t most, Work& work) {
  std::string result;
  std::int64_t done = 0;
  const auto may = [&] { return most < 0 || done < most; };
  while (may()) {
    const std::size_t at = find_text(text, old, work);
    if (at == text.npos) break;
    work.spend_growth(result.size(), at + by.size());
    result += text.substr(0, at);
    result += by;
    ++done;
    text.remove_prefix(at + old.size());
    if (!old.empty()) continue;
    if (text.empty()) return result;
    const std::size_t length = utf8_front(text).length;
    result += text.substr(0, length);
    text.remove_prefix(length);
  }
  work.spend_growth(result.size(), text.size());
  result += text;
  return result;
}

std::size_t count_of(std::string_view text, std::string_view wanted, Work& work) {
  std::size_t count = 0;
  for (std::size_t at = find_text(text, wanted, work); at != text.npos; at = find_text(text, wanted, work)) {
    text.remove_prefix(at + wanted.size());
    ++count;
  }
  return count;
}

std::string upper(std::string_view text) {
  std::string result;
  for (const std::string_view character : characters_of(text)) append_in(Case::upper, character, result);
  return result;
}

std::string lower(std::string_view text) { return lower_of(characters_of(text), 0); }

std::string capitalized(std::string_view text) {
  const std::vector<std::string_view> characters = characters_of(text);
  std::string result;
  if (!characters.empty()) append_in(Case::title, characters.front(), result);
  return result + lower_of(characters, 1);
}

std::string titled(std::string_view text) {
  const std::vector<std::string_view> characters = characters_of(text);
  std::string result;
  bool inside = false;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    if (inside) {
      append_lower(characters, i, result);
    } else {
      append_in(Case::title, characters[i], result);
    }
    inside = is_valid(characters[i]) && is_cased(code_of(characters[i]));
  }
  return result;
}

bool all_upper(std::string_view text) { return all_in(text, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL); }

bool all_lower(std::string_view text) { return all_in(text, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU); }

bool all_are(std::string_view text, Sort sort) {
  return !text.empty() && std::ranges::all_of(characters_of(text), [&](std::string_view character) {
    return is_valid(character) && is_of(code_of(character), sort);
  });
}

std::string html_of(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&#34;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string quoted(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string result(1, quote);
  each_character(text, [&](const Utf8Char& c, std::string_view character) {
    if (c.state != Utf8Char::State::complete) {
      result += character;
    } else if (c.code == static_cast<char32_t>(quote) || c.code == '\\') {
      result += '\\';
      result += character;
    } else if (c.code == '\n') {
      result += "\\n";
    } else if (c.code == '\t') {
      result += "\\t";
    } else if (c.code == '\r') {
      result += "\\r";
    } else if (is_printable(c.code)) {
      result += character;
    } else {
      result += escaped_code(c.code);
    }
  });
  return result + quote;
}

std::string shown_real(double real) {
  if (std::isnan(real)) return "nan";
  if (std::isinf(real)) return real < 0 ? "-inf" : "inf";
  const std::string text = fmt::format("{}", real);
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

}  // namespace specdec::jinja

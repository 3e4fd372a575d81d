// Texts as Python sees them: characters are Unicode code points, white space is Unicode's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace specdec::jinja {

class Work;

std::vector<std::string_view> characters_of(std::string_view text);
std::size_t length_of(std::string_view text);  // in characters
bool is_space(char32_t code);

enum class Ends { both, left, right };
// Without white space at its ends, or without the characters that are given.
std::string_view stripped(std::string_view text, Ends ends);
std::string_view stripped(std::string_view text, Ends ends, std::string_view characters, Work& work);

// str.split() and str.rsplit(): at white space without a separator; at most `most` times unless negative.
std::vector<std::string_view> split_at_space(std::string_view text, std::int64_t most);
std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t most,
                                       Work& work);
std::vector<std::string_view> split_at_from_right(std::string_view text, std::string_view separator, std::int64_t most,
                                                  Work& work);
std::vector<std::string_view> lines_of(std::string_view text);  // str.splitlines()

std::string replaced(std::string_view text, std::string_view old, std::string_view by, std::int64_t most, Work& work);
std::size_t count_of(std::string_view text, std::string_view wanted, Work& work);  // of one that is not empty

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalized(std::string_view text);  // str.capitalize()
std::string titled(std::string_view text);       // str.title()
bool all_upper(std::string_view text);           // str.isupper()
bool all_lower(std::string_view text);           // str.islower()

enum class Sort { alpha, digit, alnum, space };
bool all_are(std::string_view text, Sort sort);  // str.isalpha() and so on

std::string html_of(std::string_view text);  // with & < > ' " escaped
std::string quoted(std::string_view text);   // repr() of a text
std::string shown_real(double real);         // repr() of a float

}  // namespace specdec::jinja

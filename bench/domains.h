// Texts by the domain that each of them names, for tables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

inline constexpr std::string_view kAll = "all";  // of the domains

// In the order in which they come first.
template <typename Text>
std::vector<std::string> domains_of(const std::vector<Text>& texts) {
  std::vector<std::string> names;
  for (const Text& text : texts) {
    if (std::ranges::find(names, text.domain) == names.end()) names.push_back(text.domain);
  }
  return names;
}

// The places of those of one domain, or of all.
template <typename Text>
std::vector<std::size_t> places_of(const std::vector<Text>& texts, std::string_view domain) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (domain == kAll || texts[i].domain == domain) places.push_back(i);
  }
  return places;
}

}  // namespace specdec

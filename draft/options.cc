#include "draft/options.h"

#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

template <typename Number>
Number parse(const std::string& owner, const std::string& key, const std::string& value, Number least, Number most) {
  Number number{};
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failed != std::errc{} || end != value.data() + value.size() || !(number >= least && number <= most)) {
    throw UsageError("{}: {}={}: expected a number from {} to {}", owner, key, value, least, most);
  }
  return number;
}

}  // namespace

NamedOptions split_options(std::string_view text, std::string_view owner) {
  std::size_t comma = text.find(',');
  NamedOptions split{std::string(text.substr(0, comma)), {}};
  while (comma != std::string_view::npos) {
    text.remove_prefix(comma + 1);
    comma = text.find(',');
    const std::string_view option = text.substr(0, comma);
    const std::size_t equals = option.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw UsageError("{} {}: option '{}': expected key=value", owner, split.name, option);
    }
    const auto [at, is_new] = split.values.emplace(option.substr(0, equals), option.substr(equals + 1));
    if (!is_new) throw UsageError("{} {}: option '{}' is given twice", owner, split.name, at->first);
  }
  return split;
}

Options::Options(std::map<std::string, std::string> values, std::string owner)
    : values_(std::move(values)), owner_(std::move(owner)) {}

int Options::integer(const std::string& key, int otherwise, int least, int most) {
  known_.push_back(key);
  const auto value = values_.extract(key);
  return value.empty() ? otherwise : parse(owner_, key, value.mapped(), least, most);
}

double Options::number(const std::string& key, double otherwise, double least, double most) {
  known_.push_back(key);
  const auto value = values_.extract(key);
  return value.empty() ? otherwise : parse(owner_, key, value.mapped(), least, most);
}

std::vector<double> Options::numbers(const std::string& key, std::vector<double> otherwise, double least, double most) {
  known_.push_back(key);
  const auto value = values_.extract(key);
  if (value.empty()) return otherwise;
  std::vector<double> numbers;
  for (std::string rest = value.mapped();;) {
    const std::size_t end = rest.find('/');
    numbers.push_back(parse(owner_, key, rest.substr(0, end), least, most));
    if (end == std::string::npos) return numbers;
    rest.erase(0, end + 1);
  }
}

std::string Options::text(const std::string& key, const std::string& otherwise, std::string_view expected) {
  known_.push_back(key);
  const auto value = values_.extract(key);
  if (!value.empty() && value.mapped().empty())
    throw UsageError("{}: {}= is empty; expected {}", owner_, key, expected);
  return value.empty() ? otherwise : value.mapped();
}

void Options::refuse_unknown(std::vector<std::string> elsewhere) const {
  if (values_.empty()) return;
  std::vector<std::string> all = std::move(elsewhere);
  all.insert(all.end(), known_.begin(), known_.end());
  throw UsageError("{} has no option '{}'; there are: {}", owner_, values_.begin()->first,
                   all.empty() ? "none" : fmt::format("{}", fmt::join(all, ", ")));
}

}  // namespace specdec

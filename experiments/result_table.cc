#include "experiments/result_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"

namespace specdec {
namespace {

template <typename Named>
std::size_t place_of(const std::vector<Named>& all, std::string_view name, std::string_view what) {
  const auto found = std::ranges::find(all, name, &Named::name);
  if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
  std::vector<std::string> names;
  for (const Named& one : all) names.push_back(one.name);
  throw Error("there is no {} '{}'; there are: {}", what, name, fmt::join(names, ", "));
}

}  // namespace

std::string text_of(const Cell& cell) {
  if (const auto* whole = std::get_if<std::int64_t>(&cell)) return fmt::format("{}", *whole);
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  if (const auto* words = std::get_if<std::string>(&cell)) return *words;
  return {};
}

std::size_t Table::column(std::string_view wanted) const { return place_of(columns, wanted, "column"); }

const Table& Results::table(std::string_view wanted) const { return tables[place_of(tables, wanted, "table")]; }

}  // namespace specdec

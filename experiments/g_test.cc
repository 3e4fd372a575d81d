#include "experiments/g_test.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "core/rng.h"

namespace specdec {
namespace {

constexpr int kLeastTogether = 10;
constexpr std::uint64_t kSharedCells = 8;

std::uint64_t shared_cell(const std::vector<TokenId>& text) {
  Rng rng(0);
  for (const TokenId token : text) rng = rng.fork(static_cast<std::uint64_t>(index(token)));
  return rng.bits(0) % kSharedCells;
}

using Cells = std::vector<std::pair<double, double>>;  // how often in a, in b

Cells cells_of(const TextCounts& a, const TextCounts& b) {
  std::map<std::vector<TokenId>, std::pair<double, double>> counts;
  for (const auto& [text, count] : a) counts[text].first = count;
  for (const auto& [text, count] : b) counts[text].second = count;
  Cells cells, shared(kSharedCells);
  for (const auto& [text, count] : counts) {
    if (count.first + count.second >= kLeastTogether) {
      cells.push_back(count);
    } else {
      auto& cell = shared[shared_cell(text)];
      cell.first += count.first;
      cell.second += count.second;
    }
  }
  std::pair<double, double> left;
  for (const auto& cell : shared) {
    if (cell.first + cell.second >= kLeastTogether) {
      cells.push_back(cell);
    } else {
      left.first += cell.first;
      left.second += cell.second;
    }
  }
  if (left.first + left.second > 0) cells.push_back(left);
  return cells;
}

double standard_normal_beyond(double z) { return std::erfc(z / std::sqrt(2.0)) / 2; }

double chi_square_beyond(double value, int freedom) {
  const double spread = 2.0 / (9.0 * freedom);
  return standard_normal_beyond((std::cbrt(value / freedom) - (1 - spread)) / std::sqrt(spread));
}

// What chi-square passes with this chance.
double chi_square_at(double chance, int freedom) {
  double low = 0, high = 1;
  while (chi_square_beyond(high, freedom) > chance) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (chi_square_beyond(middle, freedom) > chance ? low : high) = middle;
  }
  return high;
}

}  // namespace

void GTest::add(const TextCounts& a, const TextCounts& b) {
  double of_a = 0, of_b = 0;
  for (const auto& [text, count] : a) of_a += count;
  for (const auto& [text, count] : b) of_b += count;
  if (of_a == 0 || of_b == 0) return;
  const Cells cells = cells_of(a, b);
  const double all = of_a + of_b;
  double likeliest = 0, g = 0, inverse_cells = 0;
  for (const auto& [in_a, in_b] : cells) {
    const double together = in_a + in_b;
    inverse_cells += 1 / together;
    if (in_a > 0) g += 2 * in_a * std::log(in_a * all / (together * of_a));
    if (in_b > 0) g += 2 * in_b * std::log(in_b * all / (together * of_b));
    likeliest = std::max(likeliest, together / all);
  }
  const auto freedom = static_cast<int>(cells.size()) - 1;
  if (freedom == 0) return;
  // Williams (1976): in small cells G is larger than chi-square.
  const double correction = 1 + (all * inverse_cells - 1) * (all * (1 / of_a + 1 / of_b) - 1) / (6 * all * freedom);
  g_ += g / correction;
  freedom_ += freedom;
  // Chi-square of p moved by e towards one cell of share s: e^2 (1 - s) / s, times the harmonic size of the samples.
  weight_ += of_a * of_b / all * (1 - likeliest) / likeliest;
}

double GTest::p_value() const { return freedom_ == 0 ? 1 : std::clamp(chi_square_beyond(g_, freedom_), 0.0, 1.0); }

double GTest::detectable_bias(double p_value) const {
  if (freedom_ == 0 || weight_ == 0) return 1;
  constexpr double kNineInTen = 1.2815515655446004;  // standard deviations
  const double needed = chi_square_at(p_value, freedom_);
  const auto misses = [&](double noncentrality) {
    return freedom_ + noncentrality - kNineInTen * std::sqrt(2 * (freedom_ + 2 * noncentrality)) < needed;
  };
  double low = 0, high = 1;
  while (misses(high)) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (misses(middle) ? low : high) = middle;
  }
  return std::min(1.0, std::sqrt(high / weight_));
}

}  // namespace specdec

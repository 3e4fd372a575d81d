// How often guesses of which a drafter was so sure are accepted: what it says and what is true differ.
//   AcceptanceTable table;
//   table.learn(0.7, true);       // a guess that was tested: all before it were accepted, its elder siblings not
//   table.acceptance(0.72);
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace specdec {

// By how sure it was, in bins. A bin that saw little follows the whole: guesses are rejected as often as the drafter
// doubts them, times one factor.
class AcceptanceTable {
 public:
  double acceptance(double sureness) const { return of(bin_of(sureness)); }

  void learn(double sureness, bool accepted) {
    Bin& bin = bins_[bin_of(sureness)];
    bin.tested += 1;
    bin.accepted += accepted;
    doubted_ += 1 - sureness;
    rejected_ += !accepted;
  }

  // Of outlooks that came, tested or not: how many were as sure as those of a bin.
  void meet(double sureness) { bins_[bin_of(sureness)].met += 1; }
  // The mean of a function of the acceptance, over the outlooks that may come.
  template <typename Function>
  double expected(const Function& value) const {
    double sum = 0, met = 0;
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      sum += bins_[bin].met * value(of(bin));
      met += bins_[bin].met;
    }
    return sum / met;
  }

 private:
  static constexpr std::size_t kBins = 10;
  static constexpr double kBelief = 4;  // guesses of a bin that the whole is worth
  struct Bin {
    double tested = 0, accepted = 0;
    double met = 1;
  };
  static std::size_t bin_of(double sureness) {
    return std::min(kBins - 1, static_cast<std::size_t>(std::max(sureness, 0.0) * kBins));
  }
  double of(std::size_t bin) const {
    const double doubt = 1 - (static_cast<double>(bin) + 0.5) / kBins;
    const double from_whole = std::max(0.0, 1 - doubt * rejected_ / doubted_);
    return (bins_[bin].accepted + kBelief * from_whole) / (bins_[bin].tested + kBelief);
  }

  std::array<Bin, kBins> bins_;
  double doubted_ = 2, rejected_ = 1;  // at first guesses are better than the drafter thinks, so that they are tried
};

}  // namespace specdec

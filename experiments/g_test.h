// Whether two samples come from one law (the G-test of Sokal and Rohlf, with Williams' correction), and what difference
// would have been seen.
//   GTest test;
//   test.add(speculative_counts, plain_counts);   // of one prompt
//   if (test.p_value() < 1e-4) …
#pragma once

#include <map>
#include <vector>

#include "core/types.h"

namespace specdec {

using TextCounts = std::map<std::vector<TokenId>, int>;

class GTest {
 public:
  // Two samples of texts after one prompt. Texts that are seen less than 10 times in both together share cells: which,
  // a hash of the text says. Samples after several prompts add up.
  void add(const TextCounts& a, const TextCounts& b);

  double g() const { return g_; }
  int freedom() const { return freedom_; }
  double p_value() const;  // the chance of a G as large if the laws are equal (Wilson and Hilferty 1931)

  // The least share of all texts which, if it were moved to the likeliest one, would be seen at this p-value nine times
  // in ten.
  double detectable_bias(double p_value) const;

 private:
  double g_ = 0;
  int freedom_ = 0;
  double weight_ = 0;  // of a moved share e: noncentrality weight_ e^2
};

}  // namespace specdec

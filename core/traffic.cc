#include "core/traffic.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace specdec {

std::vector<WokenExpert> woken_experts(RouterTrace routed) {
  std::vector<WokenExpert> woken;
  woken.reserve(routed.size());
  for (const RouterUse& use : routed) woken.push_back({use.layer, use.expert});
  std::sort(woken.begin(), woken.end());
  woken.erase(std::unique(woken.begin(), woken.end()), woken.end());
  return woken;
}

std::int64_t bytes_of_pass(const WeightBytes& weights, int rows, std::span<const WokenExpert> woken, HeadUse head) {
  std::int64_t bytes = weights.fixed - (head == HeadUse::skipped ? weights.head : 0) + rows * weights.embedding_row;
  for (const WokenExpert& use : woken) {
    SPECDEC_ASSERT(use.layer >= 0 && static_cast<std::size_t>(use.layer) < weights.expert.size());
    bytes += weights.expert[static_cast<std::size_t>(use.layer)];
  }
  return bytes;
}

std::int64_t bytes_of_plain_pass(const WeightBytes& weights, int experts_per_token) {
  return weights.fixed + weights.embedding_row +
         experts_per_token * std::accumulate(weights.expert.begin(), weights.expert.end(), std::int64_t{0});
}

double uniform_union(int experts, int experts_per_token, int rows) {
  if (experts == 0) return 0;
  return experts * (1 - std::pow(1 - static_cast<double>(experts_per_token) / experts, rows));
}

}  // namespace specdec

#include "core/traffic.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace specdec {

std::vector<WokenExpert> woken_experts(RouterTrace routed) {
  constexpr std::size_t kBits = 64;
  std::size_t layers = 0, words = 0;  // of one bit per expert, by layer
  for (const RouterUse& use : routed) {
    layers = std::max(layers, static_cast<std::size_t>(use.layer) + 1);
    words = std::max(words, static_cast<std::size_t>(use.expert) / kBits + 1);
  }
  std::vector<std::uint64_t> chosen(layers * words);
  for (const RouterUse& use : routed) {
    const auto expert = static_cast<std::size_t>(use.expert);
    chosen[static_cast<std::size_t>(use.layer) * words + expert / kBits] |= std::uint64_t{1} << expert % kBits;
  }
  std::vector<WokenExpert> woken;
  woken.reserve(routed.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    for (std::uint64_t left = chosen[i]; left != 0; left &= left - 1) {
      const std::size_t expert = i % words * kBits + static_cast<std::size_t>(std::countr_zero(left));
      woken.push_back({static_cast<int>(i / words), static_cast<int>(expert)});
    }
  }
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

// Bytes of weights that a pass reads, counted from its routing. What they cost is for others to say.
//   const auto bytes = bytes_of_pass(model.bytes(), rows, woken_experts(out.routed));
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "core/model.h"

namespace specdec {

struct WokenExpert {
  int layer, expert;
  auto operator<=>(const WokenExpert&) const = default;
};

// Each expert once, however many rows chose it; by layer, then expert.
std::vector<WokenExpert> woken_experts(RouterTrace routed);

enum class HeadUse { read, skipped };
std::int64_t bytes_of_pass(const WeightBytes& weights, int rows, std::span<const WokenExpert> woken,
                           HeadUse head = HeadUse::read);

// One row with `experts_per_token` experts in every layer that has any: a step of plain decoding.
std::int64_t bytes_of_plain_pass(const WeightBytes& weights, int experts_per_token);

// E (1 - (1 - k/E)^rows): distinct experts if rows chose theirs independently and evenly.
double uniform_union(int experts, int experts_per_token, int rows);

}  // namespace specdec

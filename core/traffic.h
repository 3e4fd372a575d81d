// Bytes of weights that a pass reads, counted from its routing. Pure functions: what they cost is for others to say.
#pragma once

#include <cstdint>
#include <span>

#include "core/model.h"

namespace specdec {

enum class HeadUse { read, skipped };

// An expert that several rows chose is read once.
std::int64_t bytes_of_pass(const WeightBytes& weights, int rows, RouterTrace routed, HeadUse head = HeadUse::read);

// A pass of one row with `experts_per_token` experts in every layer that has any: plain decoding.
std::int64_t bytes_of_plain_pass(const WeightBytes& weights, int experts_per_token);

}  // namespace specdec

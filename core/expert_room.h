// How a budget of memory for experts is shared out: slots for packed experts, and buffers that they are read into.
#pragma once

#include <cstdint>

namespace specdec {

struct ExpertSizes {
  int experts = 0;
  int most_at_once = 0;           // that a layer of one pass wants
  std::int64_t all_bytes = 0;     // packed
  std::int64_t slot_bytes = 0;    // of the largest, packed
  std::int64_t buffer_bytes = 0;  // of the largest, as it is read
};

struct ExpertRoom {
  int slots = 0;
  int load_buffers = 0;      // for experts that a pass waits for
  int prefetch_buffers = 0;  // for experts that a pass may want
};

enum class Prefetches { no, yes };

// Whether all are packed before the first pass: the budget holds them, and it takes no more than seconds.
bool packs_at_once(const ExpertSizes& sizes, std::int64_t budget_bytes);

// At least the slots that one layer of one pass needs; for all experts if the budget holds them all.
ExpertRoom room_for(const ExpertSizes& sizes, std::int64_t budget_bytes, Prefetches prefetches);

}  // namespace specdec

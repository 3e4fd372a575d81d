#include "core/expert_room.h"

#include <algorithm>

namespace specdec {

bool packs_at_once(const ExpertSizes& sizes, std::int64_t budget_bytes) {
  constexpr std::int64_t kSeconds = std::int64_t{8} << 30;  // bytes that are read and packed in a few of them
  return sizes.all_bytes <= std::min(budget_bytes, kSeconds);
}

ExpertRoom room_for(const ExpertSizes& sizes, std::int64_t budget_bytes, Prefetches prefetches) {
  // Enough to keep a disk busy, and no large part of the budget.
  const std::int64_t buffers = budget_bytes / std::max<std::int64_t>(1, sizes.buffer_bytes);
  ExpertRoom room;
  room.load_buffers = std::min(sizes.most_at_once, static_cast<int>(std::clamp<std::int64_t>(buffers / 8, 2, 16)));
  if (prefetches == Prefetches::yes) {
    room.prefetch_buffers = static_cast<int>(std::clamp<std::int64_t>(buffers / 16, 4, 16));
  }
  const std::int64_t left = budget_bytes - sizes.buffer_bytes * (room.load_buffers + room.prefetch_buffers);
  const std::int64_t slots =
      std::max<std::int64_t>(sizes.most_at_once, left / std::max<std::int64_t>(1, sizes.slot_bytes));
  room.slots =
      budget_bytes >= sizes.all_bytes ? sizes.experts : static_cast<int>(std::min<std::int64_t>(sizes.experts, slots));
  return room;
}

}  // namespace specdec

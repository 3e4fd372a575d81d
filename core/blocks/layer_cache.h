// What one layer keeps of the positions of a text: keys and values, latents, or the state of a recurrence.
#pragma once

#include <cstdint>
#include <span>

namespace specdec {

class LayerCache {
 public:
  virtual ~LayerCache() = default;
  virtual std::int64_t memory_bytes() const = 0;
  // There are `length` positions, and with the rows of the pass to come so many pending ones.
  virtual void make_room(int /*length*/, int /*pending*/) {}
  // Pending row path[i] becomes position length + i; the other pending rows are forgotten.
  virtual void commit(int length, std::span<const int> path) = 0;
};

}  // namespace specdec

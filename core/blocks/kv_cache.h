// The keys and values of one layer. Committed positions lie at slots 0, 1, …; pending rows at the slots after them in
// the order of appending. Slots lie in chunks of kKvChunk, one for every key head.
#pragma once

#include <memory>

#include "core/blocks/layer_cache.h"
#include "core/kernels/attention.h"

namespace specdec {

struct RowView;

class KvCache : public LayerCache {
 public:
  KvCache(int kv_heads, const KvLayout& layout, int capacity);

  std::int64_t memory_bytes() const override;
  void commit(int length, std::span<const int> path) override;

  int kv_heads() const { return kv_heads_; }
  const KvLayout& layout() const { return layout_; }
  // The chunk that holds `slot` of a key head.
  std::byte* chunk(int head, int slot) {
    return reinterpret_cast<std::byte*>(lines_.get()) + (slot / kKvChunk * kv_heads_ + head) * chunk_bytes_;
  }
  // Copies what a row sees at the positions [first, first + count) of one chunk into `to`, a chunk of its own.
  void gather(int head, const RowView& view, int first, int count, std::byte* to);

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };

  int kv_heads_;
  int capacity_;
  KvLayout layout_;
  std::int64_t chunk_bytes_;
  std::unique_ptr<Line[]> lines_;
};

}  // namespace specdec

// The keys and values of one layer. Committed positions lie at slots 0, 1, …; pending rows at the slots after them in
// the order of appending. Slots lie in chunks of kKvChunk, one for every key head. Where rows see a window, the chunks
// are a ring, which grows with the rows of a pass: a chunk wholly before all that any row to come sees is filled anew.
#pragma once

#include <memory>

#include "core/blocks/layer_cache.h"
#include "core/kernels/attention.h"

namespace specdec {

struct RowView;

class KvCache : public LayerCache {
 public:
  // window: positions that a row sees at most; 0: all.
  KvCache(int kv_heads, const KvLayout& layout, int capacity, int window = 0);

  std::int64_t memory_bytes() const override { return std::int64_t{chunks_} * kv_heads_ * chunk_bytes_; }
  void make_room(int length, int pending) override;
  void commit(int length, std::span<const int> path) override;

  int kv_heads() const { return kv_heads_; }
  const KvLayout& layout() const { return layout_; }
  // The chunk that holds `slot` of a key head, one that a row to come may see.
  std::byte* chunk(int head, int slot) { return chunk_of(head, slot / kKvChunk % chunks_); }
  // Copies what a row sees at the positions [first, first + count) of one chunk into `to`, a chunk of its own.
  void gather(int head, const RowView& view, int first, int count, std::byte* to);

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::byte* chunk_of(int head, int place) {
    return reinterpret_cast<std::byte*>(lines_.get()) + (std::int64_t{place} * kv_heads_ + head) * chunk_bytes_;
  }

  int kv_heads_;
  int capacity_;
  int window_;
  int chunks_;  // of each key head
  KvLayout layout_;
  std::int64_t chunk_bytes_;
  std::unique_ptr<Line[]> lines_;
};

}  // namespace specdec

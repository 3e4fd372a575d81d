// The keys and values of a decoder, and the buffers of its passes. Committed positions lie at slots 0, 1, …; pending
// rows at the slots after them in the order of appending. commit() moves the kept path down to where it belongs. Slots
// lie in chunks of kKvChunk, one for every key head.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/blocks/swiglu.h"
#include "core/kernels/attention.h"
#include "core/model.h"

namespace specdec {

// What one row sees: as many slots, in the order of their positions, the last one its own.
struct RowView {
  const int* slots = nullptr;  // (length); null: 0, 1, 2, …
  int length = 0;
  int position() const { return length - 1; }
};

// Buffers that a pass fills and its Output points into.
struct PassBuffers {
  Buffer<float> x, normed, query, new_keys, new_values, attended, cosines, sines;
  Buffer<float> router;
  Buffer<float> logits, joined;
  std::vector<Buffer<float>> taps;
  std::vector<MatView> tapped;
  Buffer<int> expert_rows, chosen, slots, heaviest;
  Buffer<float> chosen_weight, expert_shares, expert_totals;
  Buffer<QueryState> query_states;
  Buffer<float> query_values;
  ActivationBuffer activations, attended_activations;
  InnerBuffer inner, shared_inner;
  std::vector<Branch> branches;
  std::vector<int> wanted;  // experts of a layer, by their numbers in the store
  std::vector<RouterUse> routed;

  std::int64_t bytes() const;
};

class KvState : public State {
 public:
  KvState(int layers, int kv_heads, const KvLayout& layout, int capacity);

  int length() const override { return length_; }
  int pending() const override { return static_cast<int>(views_.size()); }
  int capacity() const override { return capacity_; }
  std::int64_t memory_bytes() const override;
  void commit(std::span<const int> path) override;

  // Appends the batch's rows and says what each of them sees. The views hold until the next append or commit.
  std::span<const RowView> append(const Batch& batch);

  int layers() const { return static_cast<int>(layers_.size()); }
  int kv_heads() const { return kv_heads_; }
  const KvLayout& layout() const { return layout_; }
  // The chunk that holds `slot` of a key head.
  std::byte* chunk(int layer, int head, int slot) {
    return reinterpret_cast<std::byte*>(layers_[static_cast<std::size_t>(layer)].get()) +
           (slot / kKvChunk * kv_heads_ + head) * chunk_bytes_;
  }
  // Copies what a row sees at the positions [first, first + count) of one chunk into `to`, a chunk of its own.
  void gather(int layer, int head, const RowView& view, int first, int count, std::byte* to);
  PassBuffers& buffers() { return buffers_; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::int64_t layer_bytes() const;
  int* new_branches(std::int64_t rows);

  int length_ = 0;
  int capacity_;
  int kv_heads_;
  KvLayout layout_;
  std::int64_t chunk_bytes_;
  std::vector<std::unique_ptr<Line[]>> layers_;
  std::vector<RowView> views_;         // of the pending rows
  std::vector<Buffer<int>> branches_;  // behind RowView::slots, one buffer for every append of a tree
  std::size_t appends_ = 0;            // since the last commit, those that used a buffer
  PassBuffers buffers_;
};

}  // namespace specdec

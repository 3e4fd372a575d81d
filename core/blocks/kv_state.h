// The keys and values of a decoder, and the buffers of its passes. Committed positions lie at slots 0, 1, …; pending
// rows at the slots after them in the order of appending. commit() moves the kept path down to where it belongs.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/blocks/product.h"
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
  Buffer<float> x, normed, query, attended, projected, cosines, sines;
  Buffer<float> router, gate, up, activated, down, shared_gate, shared_up, shared_activated, shared_down;
  Buffer<float> logits, joined;
  std::vector<Buffer<float>> taps;
  std::vector<MatView> tapped;
  Buffer<int> expert_rows, chosen, slots;
  Buffer<float> chosen_weight;
  ActivationBuffer activations, inner_activations, shared_activations;
  std::vector<Product> products;
  std::vector<RouterUse> routed;
};

class KvState : public State {
 public:
  // kv_size: elements of one position's keys in one layer.
  KvState(int layers, std::int64_t kv_size, int capacity);

  int length() const override { return length_; }
  int pending() const override { return static_cast<int>(views_.size()); }
  int capacity() const override { return capacity_; }
  void commit(std::span<const int> path) override;

  // Appends the batch's rows and says what each of them sees. The views hold until the next append or commit.
  std::span<const RowView> append(const Batch& batch);

  int layers() const { return static_cast<int>(keys_.size()); }
  std::int64_t kv_size() const { return kv_size_; }
  float* keys(int layer) { return keys_[static_cast<std::size_t>(layer)].get(); }  // (capacity, kv_size)
  float* values(int layer) { return values_[static_cast<std::size_t>(layer)].get(); }
  PassBuffers& buffers() { return buffers_; }

 private:
  int* new_branches(std::int64_t rows);

  int length_ = 0;
  int capacity_;
  std::int64_t kv_size_;
  std::vector<std::unique_ptr<float[]>> keys_, values_;
  std::vector<RowView> views_;         // of the pending rows
  std::vector<Buffer<int>> branches_;  // behind RowView::slots, one buffer for every append of a tree
  std::size_t appends_ = 0;            // since the last commit, those that used a buffer
  PassBuffers buffers_;
};

}  // namespace specdec

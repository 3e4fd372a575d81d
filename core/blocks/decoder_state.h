// What changes while a decoder runs: which rows there are and what each sees, what every layer keeps of them, and the
// buffers of passes.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/blocks/layer_cache.h"
#include "core/blocks/product.h"
#include "core/blocks/scratch.h"
#include "core/model.h"

namespace specdec {

// What one row sees: as many slots of a cache, in the order of their positions.
struct RowView {
  const int* slots = nullptr;  // (length); null: 0, 1, 2, …
  int length = 0;
  int in_order = 0;                            // the first so many slots are 0, 1, 2, …; all of them if slots is null
  int position() const { return length - 1; }  // of a row that sees itself and all before it
};

// Buffers that a pass fills and its Output points into, and what its blocks work in.
struct PassBuffers {
  Buffer<float> x, normed, step, logits, joined;
  std::vector<Buffer<float>> angles;  // of each kind of rope, (rows, dims): cosines, then sines of a row
  std::vector<Buffer<float>> taps;
  std::vector<MatView> tapped;
  std::vector<RouterUse> routed;
  ActivationBuffer activations;
  Scratch scratch;

  std::int64_t bytes() const;
};

class DecoderState : public State {
 public:
  // caches: of each layer; null if it keeps nothing.
  DecoderState(std::vector<std::unique_ptr<LayerCache>> caches, int capacity);

  int length() const override { return length_; }
  int pending() const override { return static_cast<int>(views_.size()); }
  int capacity() const override { return capacity_; }
  std::int64_t memory_bytes() const override;
  void commit(std::span<const int> path) override;

  // Appends the batch's rows and says what each of them sees. The views hold until the next append or commit.
  std::span<const RowView> append(const Batch& batch);

  // Of all pending rows, as in Batch: a pending row, or -1 for the last committed position.
  std::span<const int> parents() const { return parents_; }

  // What the rows of the pass see by the positions that a layer chose for itself and others; empty until one has.
  std::span<const RowView> choice() const { return choice_; }
  void share_choice(std::span<const RowView> views) { choice_ = views; }

  int layers() const { return static_cast<int>(caches_.size()); }
  LayerCache* cache(int layer) { return caches_[static_cast<std::size_t>(layer)].get(); }
  PassBuffers& buffers() { return buffers_; }

 private:
  int* new_branches(std::int64_t rows);

  int length_ = 0;
  int capacity_;
  std::vector<std::unique_ptr<LayerCache>> caches_;
  std::vector<RowView> views_;  // of the pending rows
  std::vector<int> parents_;
  std::span<const RowView> choice_;
  std::vector<Buffer<int>> branches_;  // behind RowView::slots, one buffer for every append of a tree
  std::size_t appends_ = 0;            // since the last commit, those that used a buffer
  PassBuffers buffers_;
};

// A state of `layers` layers whose caches `make` makes. Throws Error if there is not the memory.
std::unique_ptr<DecoderState> make_state(int layers, int capacity,
                                         const std::function<std::unique_ptr<LayerCache>(int layer)>& make);

}  // namespace specdec

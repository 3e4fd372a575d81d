// The pieces that decoder layers are made of. One kind of piece is one file of this folder: it reads a normed residual
// stream and adds to it, and what it must remember of earlier positions it keeps in a LayerCache.
#pragma once

#include <memory>
#include <span>

#include "core/blocks/decoder_state.h"
#include "core/blocks/rope.h"
#include "core/engine.h"

namespace specdec {

struct DecoderSpec;
struct Moe;

// Rows appended to a state, ready for the layers: angles of their positions, room for the residual stream.
struct Pass {
  const Engine& engine;
  const DecoderSpec& spec;
  DecoderState& state;
  std::span<const RowView> rows;
  std::span<const int> parents;  // of each row, as in DecoderState::parents
  float* x;                      // (rows, hidden), the residual stream

  std::int64_t count() const { return static_cast<std::int64_t>(rows.size()); }
  // The slot of a row in caches; that of pending row 0 is state.length().
  int slot(std::int64_t row) const { return state.length() + state.pending() - static_cast<int>(count() - row); }
  PassBuffers& buffers() const { return state.buffers(); }
  template <typename T>
  T& scratch() const {
    return buffers().scratch.of<T>();
  }
  // By the angles of the row's position; a head's elements from its first that rotates.
  void rotate(int rope, std::int64_t row, float* head) const;
};

// Of blocks that look at other positions, one after the other.
struct MixerScratch {
  Buffer<float> query, new_keys, new_values, attended;
  ActivationBuffer attended_activations;

  std::int64_t bytes() const { return bytes_of(query, new_keys, new_values, attended, attended_activations); }
};

class Block {
 public:
  virtual ~Block() = default;

  // x (rows, hidden) += what it makes of normed, (rows, hidden) unless it says otherwise. layer: the number of its
  // cache in the state, and of its experts in the router trace.
  virtual void add(const Pass& pass, int layer, const float* normed, float* x) const = 0;

  // What it keeps of so many positions; null if nothing.
  virtual std::unique_ptr<LayerCache> new_cache(const Engine&, int /*capacity*/) const { return nullptr; }

  // Why it cannot be left out of a pass whose rows others keep; null if it can.
  virtual const char* why_never_skipped() const { return nullptr; }

  virtual Moe* experts() { return nullptr; }  // if it has routed ones
};

}  // namespace specdec

// What a recurrent layer keeps: the states of its heads after the committed positions, and of each pending row not a
// state but what its step reads. A pass steps from row to row; where it meets a row whose parent is not the last one,
// it begins again at the committed states. So does a commit of anything but the row the last step was of. Steps are one
// function of states and inputs, so whatever was guessed in between, states are those of plain decoding bit for bit.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/blocks/layer_cache.h"
#include "core/engine.h"

namespace specdec {

inline constexpr int kMostTaps = 16;

struct RecurrentShape {
  int heads = 0;
  int sharing = 1;           // neighbours that read the same channels as keys
  int keys = 0, values = 0;  // of a head's state
  std::int64_t channels = 0;
  int taps = 0;  // of the convolution over them

  std::int64_t state_floats() const;
  std::int64_t values_of_row() const { return static_cast<std::int64_t>(heads) * values; }
  // What a step reads: channels before the convolution, then of each head the decay of its state, then the rate at
  // which it takes in what is new.
  std::int64_t input_floats() const { return channels + 2 * heads; }
};

class RecurrentCache;

// Heads [first, first + count), which share keys, of one row.
struct RecurrentStep {
  const float* const* rows;     // (taps): channels of the row and of those before it, oldest first
  const float *decays, *rates;  // (heads)
  int first, count;
  const float* from;  // states of the heads
  float* to;
  float* out;  // (heads, values), or null if nobody looks
};

class Recurrence {
 public:
  virtual ~Recurrence() = default;
  virtual const RecurrentShape& shape() const = 0;
  virtual void step(const Engine& engine, const RecurrentStep& step) const = 0;
};

class RecurrentCache : public LayerCache {
 public:
  // Both must outlive it.
  RecurrentCache(const Engine& engine, const Recurrence& recurrence);

  std::int64_t memory_bytes() const override;
  void commit(int length, std::span<const int> path) override;

  // Room for what the steps of all pending rows read, and an order in which to do those of the last `count`.
  void append(std::span<const int> parents, std::int64_t count);
  float* inputs(int pending_row);

  // The steps as tasks, of a few heads each. out: (count, heads, values).
  std::int64_t tasks() const { return shape_.heads / heads_of_task_; }
  void run(std::int64_t task, float* out);
  std::int64_t work() const;  // multiplications

 private:
  struct Visit {
    int row;
    bool from_committed;
    std::int64_t out;  // its number in the pass; negative: it is only passed by
  };
  void visit(int row, int first_new);

  const Engine& engine_;
  const Recurrence& recurrence_;
  const RecurrentShape shape_;
  int heads_of_task_;
  std::vector<float> committed_, working_;        // states, (heads, keys, padded values)
  int working_row_ = -1;                          // whose states `working_` has; -1: of none
  std::vector<float> tail_;                       // (taps - 1, channels) of the last committed positions
  std::vector<std::unique_ptr<float[]>> inputs_;  // of pending rows, kRowsOfBlock a piece
  std::vector<int> parents_;                      // of pending rows
  std::vector<Visit> visits_;
  std::vector<int> path_, children_, siblings_;  // to order rows by
};

}  // namespace specdec

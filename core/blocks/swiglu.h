// SwiGLU (Shazeer, arXiv 2002.05202): down(silu(gate x) * up x), or without a gate down(relu(up x)²) as in Nemotron-H
// (arXiv 2504.03624), for several sets of weights and of rows at once.
#pragma once

#include <span>
#include <vector>

#include "core/blocks/product.h"
#include "core/weights.h"

namespace specdec {

struct Swiglu {
  Weight gate, up, down;                             // gate.out = 0: none
  std::vector<float> gate_bias, up_bias, down_bias;  // empty if the architecture has none
};

Swiglu load_swiglu(WeightFile& file, const std::string& path, int hidden, int width, bool biased);

// What lies between the two halves of branches of one width.
struct InnerBuffer {
  Buffer<float> activated;  // (slots, width)
  ActivationBuffer activations;

  void make_room(const Engine& engine, std::int64_t slots, std::int64_t width);
  std::int64_t bytes() const { return activated.bytes() + activations.bytes(); }
};

// Rows that go through one SwiGLU.
struct Branch {
  const Swiglu* weights = nullptr;
  const int* rows = nullptr;  // (count); null: 0, 1, …
  std::int64_t count = 0;
  const float* share = nullptr;  // (count), what their results are multiplied by; null: 1
  InnerBuffer* inner = nullptr;
  std::int64_t first_slot = 0;  // of its rows in `inner`
  std::int64_t first_task = 0;  // set by add_branches
};

// x (rows, hidden) += the sum of the branches' results, branch by branch in their order. inner: with room for all
// slots. Weights are read once for all rows; every output is computed whole by one thread.
void add_branches(const Engine& engine, std::span<Branch> branches, const Activations& normed, std::int64_t rows,
                  int hidden, float* x);

}  // namespace specdec

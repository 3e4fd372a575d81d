// SwiGLU (Shazeer, arXiv 2002.05202): down(silu(gate x) * up x), or another function in the place of silu, for several
// sets of weights and of rows at once.
#pragma once

#include <span>
#include <vector>

#include "core/blocks/product.h"
#include "core/weights.h"

namespace specdec {

// What becomes of gate g and up u:
//   silu       silu(g) * u
//   gelu       gelu(g) * u (Hendrycks and Gimpel, arXiv 1606.08415)
//   gelu_tanh  the same by their approximation with tanh
//   relu       relu(g) * u
//   clamped    g * sigmoid(alpha g) * (u + 1), with g at most `limit` and u within it (gpt-oss)
//   relu2      relu(u)², without a gate (Nemotron-H, arXiv 2504.03624)
enum class Activation { silu, gelu, gelu_tanh, relu, clamped, relu2 };

struct Swiglu {
  Weight gate, up, down;  // gate.out = 0: none, or its rows are those of `up` with even numbers, and up's the odd ones
  std::vector<float> gate_bias, up_bias, down_bias;  // empty if the architecture has none; in the order of the rows
  Activation activation = Activation::silu;
  float limit = 0, alpha = 0;  // of clamped

  std::int64_t width() const { return down.in; }
};

struct SwigluSpec {
  int width = 0;
  bool biased = false;
  Activation activation = Activation::silu;
};
Swiglu load_swiglu(WeightFile& file, const std::string& path, int hidden, const SwigluSpec& spec);

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

#include "core/blocks/swiglu.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

std::int64_t tasks_of(std::int64_t width, std::int64_t slice) { return (width + slice - 1) / slice; }

// Inner activations made by one task: whole groups of quantised activations.
std::int64_t slice_of(std::span<const Branch> branches, int threads) {
  std::int64_t bytes = 0;
  for (const Branch& branch : branches) bytes += packed_bytes(branch.weights->gate) + packed_bytes(branch.weights->up);
  const Swiglu& last = *branches.back().weights;
  const std::int64_t panel_bytes = last.gate.panels.panel_bytes + last.up.panels.panel_bytes;
  return std::max(outputs_of_task(panel_bytes, bytes, threads) / kQ8Group, std::int64_t{1}) * kQ8Group;
}

// Outputs of down in one task, of all branches, alike for all threads. What a task reads of one branch is a piece of
// memory of its own, and pieces of 200 KiB are read twice as fast as pieces of 7; what it reads and adds up stays in
// the L2 cache.
std::int64_t columns_of(std::span<const Branch> branches, std::int64_t rows, int hidden, int threads) {
  constexpr std::int64_t kMostPieceBytes = 256 << 10;
  constexpr std::int64_t kMostSums = 64 << 10;
  std::int64_t panel_bytes = 0;
  for (const Branch& branch : branches) panel_bytes = std::max(panel_bytes, branch.weights->down.panels.panel_bytes);
  const std::int64_t most = std::min(kMostPieceBytes / panel_bytes, kMostSums / (rows * kPanel));
  const std::int64_t panels = panels_of(hidden);
  const std::int64_t tasks = tasks_of(panels, std::max<std::int64_t>(1, most) * threads) * threads;
  return kPanel * ((panels + tasks - 1) / tasks);
}

// out = the inner activations of `count` gates and ups. gate is overwritten.
void activate_inner(const Kernels& kernels, const Swiglu& weights, float* gate, const float* up, std::int64_t count,
                    float* out) {
  switch (weights.activation) {
    case Activation::silu:
      return kernels.silu_times(gate, up, count, out);
    case Activation::relu:
      for (std::int64_t i = 0; i < count; ++i) out[i] = std::max(gate[i], 0.0f) * up[i];
      return;
    case Activation::gelu: {
      constexpr float kInverseRoot = std::numbers::sqrt2_v<float> / 2;
      for (std::int64_t i = 0; i < count; ++i) out[i] = gate[i] * (1 + std::erf(kInverseRoot * gate[i])) / 2 * up[i];
      return;
    }
    case Activation::relu2:
      for (std::int64_t i = 0; i < count; ++i) out[i] = std::max(up[i], 0.0f) * std::max(up[i], 0.0f);
      return;
    case Activation::gelu_tanh: {
      // (1 + tanh(z)) / 2 = sigmoid(2 z)
      constexpr float kTwiceRoot = 1.5957691216f;  // 2 sqrt(2 / pi)
      for (std::int64_t i = 0; i < count; ++i) out[i] = kTwiceRoot * gate[i] * (1 + 0.044715f * gate[i] * gate[i]);
      break;
    }
    case Activation::clamped:
      for (std::int64_t i = 0; i < count; ++i) {
        gate[i] = std::min(gate[i], weights.limit);
        out[i] = weights.alpha * gate[i];
      }
  }
  kernels.sigmoid(out, count);
  if (weights.activation == Activation::gelu_tanh) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = gate[i] * out[i] * up[i];
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = gate[i] * out[i] * (std::clamp(up[i], -weights.limit, weights.limit) + 1);
  }
}

// The first half of a branch: the inner activations [first, last) of its rows.
void activate_slice(const Engine& engine, const Branch& branch, const Activations& normed, std::int64_t first,
                    std::int64_t last) {
  const Swiglu& weights = *branch.weights;
  const std::int64_t width = weights.width();
  const std::int64_t size = last - first;
  const bool gated = weights.gate.out > 0;
  const std::int64_t parts = weights.up.out / width;  // 2 if gates and ups alternate
  thread_local Buffer<float> gate_buffer, up_buffer, both_buffer;
  float* gate = gate_buffer.get(branch.count * size);
  float* up = up_buffer.get(branch.count * size);
  const auto multiply = [&](const Weight& weight, const std::vector<float>& bias, std::int64_t of_each, float* y) {
    multiply_panels(weight, of_each * first, of_each * last, normed, branch.rows, branch.count, y, of_each * size,
                    engine.kernels());
    for (std::int64_t i = 0; i < branch.count; ++i) {
      add_bias(bias, of_each * first, of_each * size, y + i * of_each * size);
    }
  };
  if (gated) multiply(weights.gate, weights.gate_bias, 1, gate);
  if (parts == 2) {
    float* both = both_buffer.get(branch.count * 2 * size);
    multiply(weights.up, weights.up_bias, 2, both);
    for (std::int64_t i = 0; i < branch.count * size; ++i) {
      gate[i] = both[2 * i];
      up[i] = both[2 * i + 1];
    }
  } else {
    multiply(weights.up, weights.up_bias, 1, up);
  }
  float* activated = branch.inner->activated.data();
  for (std::int64_t i = 0; i < branch.count; ++i) {
    const std::int64_t slot = branch.first_slot + i;
    activate_inner(engine.kernels(), weights, gate + i * size, up + i * size, size, activated + slot * width + first);
    activate_part(engine, activated, slot, width, first, size, branch.inner->activations);
  }
}

// The second half of all branches: x(rows, [first, last)) += their sum.
void add_columns(const Engine& engine, std::span<const Branch> branches, std::int64_t rows, std::int64_t first,
                 std::int64_t last, int hidden, float* x) {
  const std::int64_t size = last - first;
  thread_local Buffer<float> sum_buffer, part_buffer;
  float* sums = sum_buffer.get(rows * size);
  float* parts = part_buffer.get(rows * size);
  std::fill_n(sums, rows * size, 0.0f);
  for (const Branch& branch : branches) {
    const Weight& down = branch.weights->down;
    const Activations inner = activations_in(engine, branch.inner->activated.data(), down.in, branch.inner->activations)
                                  .from(branch.first_slot);
    multiply_panels(down, first, last, inner, nullptr, branch.count, parts, size, engine.kernels());
    for (std::int64_t i = 0; i < branch.count; ++i) {
      float* part = parts + i * size;
      add_bias(branch.weights->down_bias, first, size, part);
      float* sum = sums + (branch.rows != nullptr ? branch.rows[i] : i) * size;
      const float share = branch.share != nullptr ? branch.share[i] : 1.0f;
      for (std::int64_t k = 0; k < size; ++k) sum[k] += share * part[k];
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t k = 0; k < size; ++k) x[row * hidden + first + k] += sums[row * size + k];
  }
}

}  // namespace

Swiglu load_swiglu(WeightFile& file, const std::string& path, int hidden, const SwigluSpec& spec) {
  Swiglu ffn;
  ffn.activation = spec.activation;
  const bool gated = spec.activation != Activation::relu2;
  if (gated) ffn.gate = file.linear(path + ".gate_proj", {spec.width, hidden});
  ffn.up = file.linear(path + ".up_proj", {spec.width, hidden});
  ffn.down = file.linear(path + ".down_proj", {hidden, spec.width});
  if (spec.biased) {
    if (gated) ffn.gate_bias = file.vector(path + ".gate_proj.bias", spec.width);
    ffn.up_bias = file.vector(path + ".up_proj.bias", spec.width);
    ffn.down_bias = file.vector(path + ".down_proj.bias", hidden);
  }
  return ffn;
}

void InnerBuffer::make_room(const Engine& engine, std::int64_t slots, std::int64_t width) {
  activated.get(slots * width);
  specdec::make_room(engine, slots, width, activations);
}

void add_branches(const Engine& engine, std::span<Branch> branches, const Activations& normed, std::int64_t rows,
                  int hidden, float* x) {
  const std::int64_t slice = slice_of(branches, engine.threads());
  std::int64_t slices = 0;
  std::int64_t work = 0;
  for (Branch& branch : branches) {
    const Swiglu& weights = *branch.weights;
    branch.first_task = slices;
    slices += tasks_of(weights.width(), slice);
    work += branch.count * hidden * (weights.gate.out + weights.up.out + weights.width());
  }
  const auto first_half = [&](std::int64_t task) {
    const Branch& branch = owner_of_task<Branch>(branches, task);
    const std::int64_t first = (task - branch.first_task) * slice;
    activate_slice(engine, branch, normed, first, std::min(first + slice, branch.weights->width()));
  };
  const std::int64_t columns = columns_of(branches, rows, hidden, engine.threads());
  const auto second_half = [&](std::int64_t task) {
    const std::int64_t first = task * columns;
    add_columns(engine, branches, rows, first, std::min<std::int64_t>(first + columns, hidden), hidden, x);
  };
  engine.pool().run_if_worth(work, kLeastProducts,
                             std::array{Phase(slices, first_half), Phase(tasks_of(hidden, columns), second_half)});
}

}  // namespace specdec

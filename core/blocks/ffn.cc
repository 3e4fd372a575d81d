#include "core/blocks/ffn.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

// Scores of all experts -> the chosen ones, ascending, with their weights. Ties go to the lowest id.
// The rule of DeepSeek-V3 (arXiv 2412.19437, section 2.1.2) and GLM-4.5, and Qwen3's softmax.
void choose(const MoeSpec& spec, const std::vector<float>& correction, float* scores, const Kernels& kernels,
            float* choice, int* chosen, float* chosen_weight) {
  const int experts = spec.experts;
  if (spec.sigmoid) {
    for (int e = 0; e < experts; ++e) scores[e] = 1.0f / (1.0f + std::exp(-scores[e]));
  } else {
    kernels.softmax(scores, experts);
  }
  for (int e = 0; e < experts; ++e) {
    choice[e] = scores[e] + (correction.empty() ? 0.0f : correction[static_cast<std::size_t>(e)]);
  }
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  if (spec.groups > 1) {
    const int size = experts / spec.groups;
    std::array<float, kMostGroups> group_score;
    for (int g = 0; g < spec.groups; ++g) {
      float best = kNever;
      float second = kNever;
      for (int e = g * size; e < (g + 1) * size; ++e) {
        second = std::max(second, std::min(best, choice[e]));
        best = std::max(best, choice[e]);
      }
      group_score[static_cast<std::size_t>(g)] = best + second;
    }
    for (int dropped = 0; dropped < spec.groups - spec.groups_kept; ++dropped) {
      // The last of the worst, so that a tie keeps the lowest group.
      int worst = -1;
      for (int g = 0; g < spec.groups; ++g) {
        const float score = group_score[static_cast<std::size_t>(g)];
        if (std::isinf(score) && score > 0) continue;
        if (worst < 0 || score <= group_score[static_cast<std::size_t>(worst)]) worst = g;
      }
      if (worst < 0) break;
      group_score[static_cast<std::size_t>(worst)] = std::numeric_limits<float>::infinity();
      for (int e = worst * size; e < (worst + 1) * size; ++e) choice[e] = kNever;
    }
  }
  for (int i = 0; i < spec.experts_per_token; ++i) {
    int best = -1;
    for (int e = 0; e < experts; ++e) {
      if (std::find(chosen, chosen + i, e) != chosen + i) continue;
      if (best < 0 || choice[e] > choice[best]) best = e;
    }
    chosen[i] = best;
  }
  std::sort(chosen, chosen + spec.experts_per_token);
  float sum = 0;
  for (int i = 0; i < spec.experts_per_token; ++i) sum += chosen_weight[i] = scores[chosen[i]];
  const float divisor = spec.normalise ? sum + (spec.sigmoid ? 1e-20f : 0.0f) : 1.0f;
  for (int i = 0; i < spec.experts_per_token; ++i) chosen_weight[i] = chosen_weight[i] / divisor * spec.scaling;
}

}  // namespace

Swiglu load_swiglu(WeightFile& file, const std::string& path, int hidden, int width, bool biased) {
  Swiglu ffn;
  ffn.gate = file.linear(path + ".gate_proj", {width, hidden});
  ffn.up = file.linear(path + ".up_proj", {width, hidden});
  ffn.down = file.linear(path + ".down_proj", {hidden, width});
  if (biased) {
    ffn.gate_bias = file.vector(path + ".gate_proj.bias", width);
    ffn.up_bias = file.vector(path + ".up_proj.bias", width);
    ffn.down_bias = file.vector(path + ".down_proj.bias", hidden);
  }
  return ffn;
}

Moe load_moe(WeightFile& file, const std::string& path, const MoeSpec& spec, int hidden) {
  Moe moe;
  moe.router = file.linear(path + ".gate", {spec.experts, hidden});
  if (spec.sigmoid) moe.correction = file.vector(path + ".gate.e_score_correction_bias", spec.experts);
  moe.experts.resize(static_cast<std::size_t>(spec.experts));
  const auto each = [&](const auto& set) {
    for (int e = 0; e < spec.experts; ++e) set(moe.experts[static_cast<std::size_t>(e)], e);
  };
  const std::string stacked = path + ".switch_mlp";
  const std::string fused = path + ".experts.gate_up_proj";
  if (file.has_prefix(stacked + ".")) {
    const Weight gate = file.linear(stacked + ".gate_proj", {spec.experts, spec.width, hidden});
    const Weight up = file.linear(stacked + ".up_proj", {spec.experts, spec.width, hidden});
    const Weight down = file.linear(stacked + ".down_proj", {spec.experts, hidden, spec.width});
    each([&](Swiglu& expert, int e) {
      expert.gate = gate.rows(static_cast<std::int64_t>(e) * spec.width, spec.width);
      expert.up = up.rows(static_cast<std::int64_t>(e) * spec.width, spec.width);
      expert.down = down.rows(static_cast<std::int64_t>(e) * hidden, hidden);
    });
  } else if (file.has_prefix(fused)) {
    const Weight gate_up = file.linear(fused, {spec.experts, 2 * spec.width, hidden}, spec.width);
    const Weight down = file.linear(path + ".experts.down_proj", {spec.experts, hidden, spec.width});
    each([&](Swiglu& expert, int e) {
      expert.gate = gate_up.rows(static_cast<std::int64_t>(2 * e) * spec.width, spec.width);
      expert.up = gate_up.rows(static_cast<std::int64_t>(2 * e + 1) * spec.width, spec.width);
      expert.down = down.rows(static_cast<std::int64_t>(e) * hidden, hidden);
    });
  } else {
    each([&](Swiglu& expert, int e) {
      expert = load_swiglu(file, fmt::format("{}.experts.{}", path, e), hidden, spec.width, false);
    });
  }
  if (spec.shared_width > 0) moe.shared = load_swiglu(file, path + ".shared_experts", hidden, spec.shared_width, false);
  return moe;
}

void feed_forward(const Engine& engine, const Swiglu& weights, const float* normed, std::int64_t rows, int hidden,
                  PassBuffers& buffers) {
  const std::int64_t width = weights.gate.out;
  float* gate = buffers.gate.get(rows * width);
  float* up = buffers.up.get(rows * width);
  const Activations x = activate(engine, normed, rows, hidden, buffers.activations);
  std::array products{Product{&weights.gate, x, nullptr, rows, gate, width},
                      Product{&weights.up, x, nullptr, rows, up, width}};
  multiply(engine, products);
  add_bias(gate, rows, weights.gate_bias);
  add_bias(up, rows, weights.up_bias);
  float* activated = buffers.activated.get(rows * width);
  engine.kernels().silu_times(gate, up, rows * width, activated);
  float* projected = buffers.projected.get(rows * hidden);
  Product down{&weights.down, activate(engine, activated, rows, width, buffers.inner_activations),
               nullptr,       rows,
               projected,     hidden};
  multiply(engine, {&down, 1});
  add_bias(projected, rows, weights.down_bias);
}

void feed_forward(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const float* normed,
                  std::int64_t rows, int hidden, PassBuffers& buffers) {
  const Kernels& kernels = engine.kernels();
  const int per_token = spec.experts_per_token;
  const std::int64_t slots = rows * per_token;  // (row, expert) pairs, numbered by expert, then row
  const Activations x = activate(engine, normed, rows, hidden, buffers.activations);

  // The router in float32, whatever the engine does elsewhere: a flipped expert costs more than it saves.
  float* scores = buffers.router.get(2 * rows * spec.experts);
  float* choice = scores + rows * spec.experts;
  Product router{&weights.router, {.x = normed, .stride = hidden, .q8 = std::nullopt}, nullptr, rows, scores,
                 spec.experts};
  multiply(engine, {&router, 1});
  int* chosen = buffers.chosen.get(slots);
  float* chosen_weight = buffers.chosen_weight.get(slots);
  for (std::int64_t row = 0; row < rows; ++row) {
    choose(spec, weights.correction, scores + row * spec.experts, kernels, choice, chosen + row * per_token,
           chosen_weight + row * per_token);
    for (int i = 0; i < per_token; ++i) {
      buffers.routed.push_back({static_cast<int>(row), layer, chosen[row * per_token + i]});
    }
  }

  // Group by expert: rows_of[begin[e], begin[e + 1]) are the rows of expert e; slot_of finds a row's results again.
  int* begin = buffers.slots.get(slots + spec.experts + 1);
  int* slot_of = begin + spec.experts + 1;  // (rows, per_token)
  int* rows_of = buffers.expert_rows.get(slots);
  std::fill_n(begin, spec.experts + 1, 0);
  for (std::int64_t i = 0; i < slots; ++i) ++begin[chosen[i] + 1];
  std::partial_sum(begin, begin + spec.experts + 1, begin);
  for (std::int64_t i = 0; i < slots; ++i) {
    const int slot = begin[chosen[i]]++;
    rows_of[slot] = static_cast<int>(i / per_token);
    slot_of[i] = slot;
  }
  std::copy_backward(begin, begin + spec.experts, begin + spec.experts + 1);
  begin[0] = 0;
  engine.lap(Part::router);

  float* gate = buffers.gate.get(slots * spec.width);
  float* up = buffers.up.get(slots * spec.width);
  const std::int64_t shared_width = spec.shared_width;
  float* shared_gate = buffers.shared_gate.get(rows * shared_width);
  float* shared_up = buffers.shared_up.get(rows * shared_width);
  std::vector<Product>& products = buffers.products;
  products.clear();
  const auto each_woken = [&](const auto& visit) {
    for (int e = 0; e < spec.experts; ++e) {
      if (begin[e + 1] > begin[e])
        visit(weights.experts[static_cast<std::size_t>(e)], begin[e], begin[e + 1] - begin[e]);
    }
  };
  each_woken([&](const Swiglu& expert, std::int64_t first, std::int64_t count) {
    products.push_back({&expert.gate, x, rows_of + first, count, gate + first * spec.width, spec.width});
    products.push_back({&expert.up, x, rows_of + first, count, up + first * spec.width, spec.width});
  });
  if (weights.shared) {
    products.push_back({&weights.shared->gate, x, nullptr, rows, shared_gate, shared_width});
    products.push_back({&weights.shared->up, x, nullptr, rows, shared_up, shared_width});
  }
  multiply(engine, products);

  float* activated = buffers.activated.get(slots * spec.width);
  float* shared_activated = buffers.shared_activated.get(rows * shared_width);
  kernels.silu_times(gate, up, slots * spec.width, activated);
  kernels.silu_times(shared_gate, shared_up, rows * shared_width, shared_activated);
  const Activations inner = activate(engine, activated, slots, spec.width, buffers.inner_activations);

  float* down = buffers.down.get(slots * hidden);
  float* shared_down = buffers.shared_down.get(rows * hidden);
  products.clear();
  // Slots are rows of `activated` already in order: the selection is an offset.
  each_woken([&](const Swiglu& expert, std::int64_t first, std::int64_t count) {
    products.push_back({&expert.down, inner.from(first), nullptr, count, down + first * hidden, hidden});
  });
  if (weights.shared) {
    const Activations shared = activate(engine, shared_activated, rows, shared_width, buffers.shared_activations);
    products.push_back({&weights.shared->down, shared, nullptr, rows, shared_down, hidden});
  }
  multiply(engine, products);
  const auto routed_work = static_cast<double>(slots * spec.width);
  engine.lap(Part::experts, routed_work / (routed_work + static_cast<double>(rows * shared_width)), Part::shared);

  float* projected = buffers.projected.get(rows * hidden);
  for (std::int64_t row = 0; row < rows; ++row) {
    float* out = projected + row * hidden;
    std::fill_n(out, hidden, 0.0f);
    for (int i = 0; i < per_token; ++i) {  // ascending expert id
      const float weight = chosen_weight[row * per_token + i];
      const float* part = down + static_cast<std::int64_t>(slot_of[row * per_token + i]) * hidden;
      for (int k = 0; k < hidden; ++k) out[k] += weight * part[k];
    }
    if (!weights.shared) continue;
    for (int k = 0; k < hidden; ++k) out[k] += shared_down[row * hidden + k];
  }
}

}  // namespace specdec

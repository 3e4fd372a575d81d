#include "core/blocks/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

// One head of one row: scores over all visible slots, softmax, weighted sum.
void attend_head(const Kernels& kernels, const float* query, const float* keys, const float* values,
                 std::int64_t kv_stride, const RowView& view, int head_dim, float* scores, float* out) {
  kernels.dot(query, head_dim, keys, kv_stride, view.slots, view.length, scores, 1);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  for (int i = 0; i < view.length; ++i) scores[i] *= scale;
  kernels.softmax(scores, view.length);
  std::fill_n(out, head_dim, 0.0f);
  kernels.weighted_sum(scores, values, kv_stride, view.slots, view.length, head_dim, out);
}

}  // namespace

Attention load_attention(WeightFile& file, const std::string& path, const AttentionSpec& spec, int hidden) {
  Attention a;
  a.q = file.linear(path + ".q_proj", {spec.q_size(), hidden});
  a.k = file.linear(path + ".k_proj", {spec.kv_size(), hidden});
  a.v = file.linear(path + ".v_proj", {spec.kv_size(), hidden});
  a.o = file.linear(path + ".o_proj", {hidden, spec.q_size()});
  if (spec.qkv_bias) {
    a.q_bias = file.vector(path + ".q_proj.bias", spec.q_size());
    a.k_bias = file.vector(path + ".k_proj.bias", spec.kv_size());
    a.v_bias = file.vector(path + ".v_proj.bias", spec.kv_size());
  }
  if (spec.output_bias) a.o_bias = file.vector(path + ".o_proj.bias", hidden);
  if (spec.qk_norm) {
    a.q_norm = file.vector(path + ".q_norm.weight", spec.head_dim);
    a.k_norm = file.vector(path + ".k_norm.weight", spec.head_dim);
  }
  return a;
}

void attend(const Engine& engine, const AttentionSpec& spec, const Attention& weights, int layer, const float* normed,
            std::span<const RowView> rows, int hidden, KvState& state) {
  const Kernels& kernels = engine.kernels();
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::int64_t kv_size = spec.kv_size();
  const std::int64_t q_size = spec.q_size();
  PassBuffers& buffers = state.buffers();
  float* query = buffers.query.get(count * q_size);
  const std::int64_t first_slot = state.length() + state.pending() - count;
  float* keys = state.keys(layer);
  float* values = state.values(layer);
  float* new_keys = keys + first_slot * kv_size;
  float* new_values = values + first_slot * kv_size;

  const Activations x = activate(engine, normed, count, hidden, buffers.activations);
  std::array products{Product{&weights.q, x, nullptr, count, query, q_size},
                      Product{&weights.k, x, nullptr, count, new_keys, kv_size},
                      Product{&weights.v, x, nullptr, count, new_values, kv_size}};
  multiply(engine, products);

  add_bias(query, count, weights.q_bias);
  add_bias(new_keys, count, weights.k_bias);
  add_bias(new_values, count, weights.v_bias);
  const int half = spec.rope.dims / 2;
  const float* cosines = buffers.cosines.get(count * half);
  const float* sines = buffers.sines.get(count * half);
  const auto position_heads = [&](float* row, int heads, const std::vector<float>& norm, std::int64_t i) {
    for (int head = 0; head < heads; ++head) {
      float* at = row + static_cast<std::int64_t>(head) * spec.head_dim;
      if (!norm.empty()) kernels.rms_norm(at, norm.data(), spec.head_dim, spec.eps, at);
      rotate(at, spec.rope.dims, cosines + i * half, sines + i * half);
    }
  };
  for (std::int64_t i = 0; i < count; ++i) {
    position_heads(query + i * q_size, spec.heads, weights.q_norm, i);
    position_heads(new_keys + i * kv_size, spec.kv_heads, weights.k_norm, i);
  }

  float* attended = buffers.attended.get(count * q_size);
  const int queries_per_key = spec.heads / spec.kv_heads;
  std::int64_t work = 0;
  for (const RowView& view : rows) work += static_cast<std::int64_t>(view.length) * q_size * 2;
  const auto run = [&](std::int64_t task) {
    const std::int64_t row = task / spec.heads;
    const std::int64_t head = task % spec.heads;
    const std::int64_t kv_offset = head / queries_per_key * spec.head_dim;
    const std::int64_t q_offset = row * q_size + head * spec.head_dim;
    thread_local Buffer<float> scores;
    attend_head(kernels, query + q_offset, keys + kv_offset, values + kv_offset, kv_size,
                rows[static_cast<std::size_t>(row)], spec.head_dim, scores.get(state.capacity()), attended + q_offset);
  };
  constexpr std::int64_t kLeastProducts = 16384;
  engine.pool().for_each_if_worth(work, kLeastProducts, count * spec.heads, run);

  float* projected = buffers.projected.get(count * hidden);
  Product output{&weights.o, activate(engine, attended, count, q_size, buffers.activations), nullptr, count, projected,
                 hidden};
  multiply(engine, {&output, 1});
  add_bias(projected, count, weights.o_bias);
}

}  // namespace specdec

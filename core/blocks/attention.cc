#include "core/blocks/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/blocks/cache_attention.h"
#include "core/blocks/norm.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {

// The rows of a pass between the products and the cache. Key heads have nothing to do with one another.
struct Attention::Rows {
  const Attention& block;
  const Pass& pass;
  KvCache& cache;
  float *projected, *new_keys, *new_values;  // products: (rows, heads, head_dim or, with a gate, twice that)
  float* query;                              // (rows, heads, head_dim); `projected` itself without gates
  float* attended;                           // (rows, heads, head_dim)

  const AttentionSpec& spec() const { return block.spec_; }
  int width() const { return spec().gated ? 2 * spec().head_dim : spec().head_dim; }
  const Kernels& kernels() const { return pass.engine.kernels(); }
  float* keys_of(std::int64_t row) const { return new_keys + row * spec().kv_size(); }

  // Norms over whole rows, which come before any head is looked at.
  void norm_row(std::int64_t row) const {
    float* queries = projected + row * spec().q_size();
    add_bias(block.q_bias_, 0, spec().q_size(), queries);
    add_bias(block.k_bias_, 0, spec().kv_size(), keys_of(row));
    kernels().rms_norm(queries, block.q_norm_.data(), spec().q_size(), spec().eps, queries);
    kernels().rms_norm(keys_of(row), block.k_norm_.data(), spec().kv_size(), spec().eps, keys_of(row));
  }

  void clip(float* head) const {
    if (spec().clip <= 0) return;
    for (int i = 0; i < spec().head_dim; ++i) head[i] = std::clamp(head[i], -spec().clip, spec().clip);
  }

  void finish(std::int64_t row, const std::vector<float>& bias, std::int64_t bias_at, const std::vector<float>& norm,
              float* head) const {
    if (spec().qk_norm != AttentionSpec::QkNorm::of_rows) add_bias(bias, bias_at, spec().head_dim, head);
    if (spec().qk_norm == AttentionSpec::QkNorm::of_heads) {
      kernels().rms_norm(head, norm.data(), spec().head_dim, spec().eps, head);
    }
    clip(head);
    if (spec().rope >= 0) pass.rotate(spec().rope, row, head);
  }

  // Finishes the queries of a key head and appends its keys and values to the cache.
  void place(int kv_head) const {
    const int dim = spec().head_dim;
    const int group = spec().heads / spec().kv_heads;
    const float scale = spec().scale > 0 ? spec().scale : 1.0f / std::sqrt(static_cast<float>(dim));
    const std::int64_t kv_at = static_cast<std::int64_t>(kv_head) * dim;
    for (std::int64_t row = 0; row < pass.count(); ++row) {
      for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        float* of_head = projected + (row * spec().heads + head) * width();
        finish(row, block.q_bias_, static_cast<std::int64_t>(head) * width(), block.q_norm_, of_head);
        if (spec().gated) add_bias(block.q_bias_, static_cast<std::int64_t>(head) * width() + dim, dim, of_head + dim);
        float* out = query + (row * spec().heads + head) * dim;
        for (int i = 0; i < dim; ++i) out[i] = of_head[i] * scale;
      }
      float* key = keys_of(row) + kv_at;
      float* value = new_values + row * spec().kv_size() + kv_at;
      finish(row, block.k_bias_, kv_at, block.k_norm_, key);
      add_bias(block.v_bias_, kv_at, dim, value);
      clip(value);
      const int slot = pass.slot(row);
      kernels().attention->store(cache.layout(), cache.chunk(kv_head, slot), slot % kKvChunk, key, value);
    }
  }

  void apply_gates(std::int64_t row) const {
    if (!spec().gated) return;
    const int dim = spec().head_dim;
    for (std::int64_t head = row * spec().heads; head < (row + 1) * spec().heads; ++head) {
      float* gate = projected + head * width() + dim;
      kernels().sigmoid(gate, dim);
      for (int i = 0; i < dim; ++i) attended[head * dim + i] *= gate[i];
    }
  }
};

Attention::Attention(WeightFile& file, const std::string& path, const AttentionSpec& spec, int hidden,
                     std::optional<int> read)
    : spec_(spec) {
  const std::int64_t in = read.value_or(hidden);
  const std::int64_t projected = spec.gated ? 2 * spec.q_size() : spec.q_size();
  q_ = file.linear(path + ".q_proj", {projected, in});
  k_ = file.linear(path + ".k_proj", {spec.kv_size(), in});
  v_ = file.linear(path + ".v_proj", {spec.kv_size(), in});
  o_ = file.linear(path + ".o_proj", {hidden, spec.q_size()});
  if (spec.qkv_bias) {
    q_bias_ = file.vector(path + ".q_proj.bias", projected);
    k_bias_ = file.vector(path + ".k_proj.bias", spec.kv_size());
    v_bias_ = file.vector(path + ".v_proj.bias", spec.kv_size());
  }
  if (spec.output_bias) o_bias_ = file.vector(path + ".o_proj.bias", hidden);
  if (spec.sinks) sinks_ = file.vector(path + ".sinks", spec.heads);
  if (spec.qk_norm == AttentionSpec::QkNorm::none) return;
  const bool of_heads = spec.qk_norm == AttentionSpec::QkNorm::of_heads;
  q_norm_ = load_norm(file, path + ".q_norm.weight", of_heads ? spec.head_dim : spec.q_size(), spec.zero_centred);
  k_norm_ = load_norm(file, path + ".k_norm.weight", of_heads ? spec.head_dim : spec.kv_size(), spec.zero_centred);
}

std::unique_ptr<LayerCache> Attention::new_cache(const Engine& engine, int capacity) const {
  return std::make_unique<KvCache>(spec_.kv_heads, KvLayout{engine.cache(), spec_.head_dim, spec_.head_dim}, capacity,
                                   spec_.window);
}

void Attention::add(const Pass& pass, int layer, const float* normed, float* x) const {
  const Engine& engine = pass.engine;
  auto& scratch = pass.scratch<MixerScratch>();
  const std::int64_t count = pass.count();
  const std::int64_t kv_size = spec_.kv_size();
  const std::int64_t q_size = spec_.q_size();
  auto& cache = static_cast<KvCache&>(*pass.state.cache(layer));
  float* projected = scratch.query.get(count * (spec_.gated ? q_.out + q_size : q_size));
  float* query = spec_.gated ? projected + count * q_.out : projected;
  float* new_keys = scratch.new_keys.get(count * kv_size);
  float* new_values = scratch.new_values.get(count * kv_size);
  float* attended = scratch.attended.get(count * q_size);

  const Activations read = activate(engine, normed, count, q_.in, pass.buffers().activations);
  std::array products{Product{&q_, read, nullptr, count, projected, q_.out},
                      Product{&k_, read, nullptr, count, new_keys, kv_size},
                      Product{&v_, read, nullptr, count, new_values, kv_size}};
  const std::int64_t product_tasks = plan(engine, products);
  const Rows rows{*this, pass, cache, projected, new_keys, new_values, query, attended};
  const CacheAttention attention(engine, cache,
                                 {.heads = spec_.heads,
                                  .query = query,
                                  .attended = attended,
                                  .rows = pass.rows,
                                  .window = spec_.window,
                                  .sinks = sinks_.empty() ? nullptr : sinks_.data()},
                                 pass.state.capacity(), pass.scratch<PartScratch>());
  const AddProduct output(engine, o_, o_bias_, count, attended, scratch.attended_activations, x);

  const bool norms_rows = spec_.qk_norm == AttentionSpec::QkNorm::of_rows;
  const bool places = attention.owns_key_heads();
  const auto multiply_in = [&](std::int64_t task) { run_task(engine, products, task); };
  const auto norm_row = [&](std::int64_t row) { rows.norm_row(row); };
  const auto place = [&](std::int64_t kv_head) { rows.place(static_cast<int>(kv_head)); };
  const auto walk = [&](std::int64_t task) {
    if (places) rows.place(attention.key_head(task));
    attention.walk(task);
  };
  const auto join = [&](std::int64_t task) { attention.join(task); };
  const auto activate_rows = [&](std::int64_t task) {
    output.activate_rows(task, [&](std::int64_t row) { rows.apply_gates(row); });
  };
  const auto add_columns = [&](std::int64_t task) { output.run(task); };
  engine.pool().run_if_worth(work_of(products) + attention.work() + output.work(), kLeastProducts,
                             std::array{Phase(product_tasks, multiply_in), Phase(norms_rows ? count : 0, norm_row),
                                        Phase(places ? 0 : spec_.kv_heads, place), Phase(attention.walks(), walk),
                                        Phase(attention.joins(), join), Phase(output.row_tasks(), activate_rows),
                                        Phase(output.tasks(), add_columns)});
  engine.lap(Part::attention);
}

}  // namespace specdec

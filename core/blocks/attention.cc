#include "core/blocks/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

// Positions of a row that are softened together before the parts are merged: parts are work for several threads.
constexpr int kSpan = 8 * kKvChunk;
// Rows that walk over the keys together.
constexpr std::int64_t kTileRows = 64;

int spans_of(int positions) { return (positions + kSpan - 1) / kSpan; }

// What the tasks of one layer's attention share. Key heads have nothing to do with one another.
struct Heads {
  const Kernels& kernels;
  const AttentionSpec& spec;
  const Attention& weights;
  int layer;
  std::span<const RowView> rows;
  KvState& state;
  float *query, *new_keys, *new_values;  // (rows, q_size), (rows, kv_size) twice: products, without biases
  float* attended;                       // (rows, q_size)
  QueryState* states;                    // (parts, rows, heads)
  float* values;                         // of the states, (parts, rows, heads, padded_dim)
  std::int64_t tiles;
  int spans;
  bool spans_apart;  // the spans of a row are tasks of their own
  bool places;       // a walk places its key head first

  int group() const { return spec.heads / spec.kv_heads; }
  std::int64_t count() const { return static_cast<std::int64_t>(rows.size()); }

  QueryState& state_of(std::int64_t part, std::int64_t row, int head) const {
    return states[(part * count() + row) * spec.heads + head];
  }

  void position(float* head, const std::vector<float>& norm, std::int64_t row) const {
    if (!norm.empty()) kernels.rms_norm(head, norm.data(), spec.head_dim, spec.eps, head);
    PassBuffers& buffers = state.buffers();
    const int half = spec.rope.dims / 2;
    rotate(head, spec.rope.dims, buffers.cosines.data() + row * half, buffers.sines.data() + row * half);
  }

  // Finishes the queries of a key head and appends its keys and values to the state.
  void place(int kv_head) const {
    const int dim = spec.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
    const std::int64_t kv_at = static_cast<std::int64_t>(kv_head) * dim;
    const std::int64_t q_at = kv_at * group();
    for (std::int64_t row = 0; row < count(); ++row) {
      float* queries = query + row * spec.q_size() + q_at;
      add_bias(weights.q_bias, q_at, group() * dim, queries);
      for (int head = 0; head < group(); ++head) position(queries + head * dim, weights.q_norm, row);
      for (int i = 0; i < group() * dim; ++i) queries[i] *= scale;
      float* key = new_keys + row * spec.kv_size() + kv_at;
      float* value = new_values + row * spec.kv_size() + kv_at;
      add_bias(weights.k_bias, kv_at, dim, key);
      position(key, weights.k_norm, row);
      add_bias(weights.v_bias, kv_at, dim, value);
      const int slot = state.length() + state.pending() - static_cast<int>(count() - row);
      kernels.attention->store(state.layout(), state.chunk(layer, kv_head, slot), slot % kKvChunk, key, value);
    }
  }

  void start(std::int64_t part, std::int64_t row, int head) const {
    const int padded = state.layout().padded_dim();
    float* sums = values + ((part * count() + row) * spec.heads + head) * padded;
    std::fill_n(sums, padded, 0.0f);
    state_of(part, row, head) = {.query = query + row * spec.q_size() + head * spec.head_dim, .values = sums};
  }

  // Rows [first, last) over one span. All of them read a chunk in one go, each as much of it as it sees; a chunk of
  // which a row sees its own branch of a tree is read for that row.
  void walk(int kv_head, std::int64_t first, std::int64_t last, int span, std::int64_t part) const {
    thread_local Buffer<QueryState*> together;
    thread_local Buffer<int> visible_of;
    thread_local Buffer<std::byte> own;
    QueryState** queries = together.get(kTileRows * group());
    int* visible = visible_of.get(kTileRows * group());
    const KvLayout& layout = state.layout();
    int longest = 0;
    for (std::int64_t row = first; row < last; ++row) {
      longest = std::max(longest, rows[static_cast<std::size_t>(row)].length);
      for (int head = 0; head < group(); ++head) start(part, row, kv_head * group() + head);
    }
    for (int at = span * kSpan; at < std::min((span + 1) * kSpan, longest); at += kKvChunk) {
      const std::byte* chunk = state.chunk(layer, kv_head, at);
      int count_together = 0;
      for (std::int64_t row = first; row < last; ++row) {
        const RowView& view = rows[static_cast<std::size_t>(row)];
        const int seen = std::min(view.length - at, kKvChunk);
        if (seen <= 0) continue;
        for (int head = 0; head < group(); ++head) {
          queries[count_together + head] = &state_of(part, row, kv_head * group() + head);
          visible[count_together + head] = seen;
        }
        if (view.slots == nullptr || at + seen <= state.length()) {
          count_together += group();
          continue;
        }
        std::byte* copy = own.get(layout.chunk_bytes());
        state.gather(layer, kv_head, view, at, seen, copy);
        kernels.attention->attend(layout, copy, visible + count_together, queries + count_together, group());
      }
      kernels.attention->attend(layout, chunk, visible, queries, count_together);
    }
  }

  void run(std::int64_t task) const {
    const auto kv_head = static_cast<int>(task % spec.kv_heads);
    const std::int64_t first = task / spec.kv_heads % tiles * kTileRows;
    const std::int64_t last = std::min(first + kTileRows, count());
    if (spans_apart) {
      const auto span = static_cast<int>(task / (spec.kv_heads * tiles));
      return walk(kv_head, first, last, span, span);
    }
    if (places) place(kv_head);
    walk(kv_head, first, last, 0, 0);
    for (int span = 1; span < spans; ++span) {
      walk(kv_head, first, last, span, 1);
      for (std::int64_t row = first; row < last; ++row) merge(kv_head, row, span, 1);
    }
    for (std::int64_t row = first; row < last; ++row) finish(kv_head, row);
  }

  void merge(int kv_head, std::int64_t row, int span, std::int64_t part) const {
    if (rows[static_cast<std::size_t>(row)].length <= span * kSpan) return;
    for (int head = kv_head * group(); head < (kv_head + 1) * group(); ++head) {
      kernels.attention->merge(state_of(part, row, head), state.layout().padded_dim(), state_of(0, row, head));
    }
  }

  void finish(int kv_head, std::int64_t row) const {
    for (int head = kv_head * group(); head < (kv_head + 1) * group(); ++head) {
      const QueryState& done = state_of(0, row, head);
      const float inverse = 1.0f / done.sum;
      float* out = attended + row * spec.q_size() + head * spec.head_dim;
      for (int d = 0; d < spec.head_dim; ++d) out[d] = done.values[d] * inverse;
    }
  }

  // Where spans are apart: all parts of a row and key head.
  void join(std::int64_t task) const {
    const auto kv_head = static_cast<int>(task % spec.kv_heads);
    const std::int64_t row = task / spec.kv_heads;
    for (int span = 1; span < spans; ++span) merge(kv_head, row, span, span);
    finish(kv_head, row);
  }
};

}  // namespace

Attention load_attention(WeightFile& file, const std::string& path, const AttentionSpec& spec, int hidden,
                         std::optional<int> read) {
  Attention a;
  const std::int64_t in = read.value_or(hidden);
  a.q = file.linear(path + ".q_proj", {spec.q_size(), in});
  a.k = file.linear(path + ".k_proj", {spec.kv_size(), in});
  a.v = file.linear(path + ".v_proj", {spec.kv_size(), in});
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
            std::span<const RowView> rows, int hidden, KvState& state, float* out) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::int64_t kv_size = spec.kv_size();
  const std::int64_t q_size = spec.q_size();
  PassBuffers& buffers = state.buffers();
  float* query = buffers.query.get(count * q_size);
  float* new_keys = buffers.new_keys.get(count * kv_size);
  float* new_values = buffers.new_values.get(count * kv_size);
  float* attended = buffers.attended.get(count * q_size);

  const Activations x = activate(engine, normed, count, weights.q.in, buffers.activations);
  std::array products{Product{&weights.q, x, nullptr, count, query, q_size},
                      Product{&weights.k, x, nullptr, count, new_keys, kv_size},
                      Product{&weights.v, x, nullptr, count, new_values, kv_size}};
  const std::int64_t product_tasks = plan(engine, products);

  const std::int64_t tiles = (count + kTileRows - 1) / kTileRows;
  const int spans = spans_of(state.length() + state.pending());
  constexpr int kTasksOfThread = 4;
  const bool few_tasks = tiles == 1 && spec.kv_heads < kTasksOfThread * engine.threads();
  const bool spans_apart = spans > 1 && few_tasks;
  const std::int64_t tasks = spec.kv_heads * tiles * (spans_apart ? spans : 1);
  const bool places = tasks == spec.kv_heads;
  // Whatever the length, so that a growing text allocates nothing.
  const std::int64_t parts = few_tasks ? std::max(spans_of(state.capacity()), 2) : 2;
  const std::int64_t states = parts * count * spec.heads;
  const Heads heads{.kernels = engine.kernels(),
                    .spec = spec,
                    .weights = weights,
                    .layer = layer,
                    .rows = rows,
                    .state = state,
                    .query = query,
                    .new_keys = new_keys,
                    .new_values = new_values,
                    .attended = attended,
                    .states = buffers.query_states.get(states),
                    .values = buffers.query_values.get(states * state.layout().padded_dim()),
                    .tiles = tiles,
                    .spans = spans,
                    .spans_apart = spans_apart,
                    .places = places};
  const auto multiply_in = [&](std::int64_t task) { run_task(engine, products, task); };
  const auto place = [&](std::int64_t kv_head) { heads.place(static_cast<int>(kv_head)); };
  const auto walk = [&](std::int64_t task) { heads.run(task); };
  const auto join = [&](std::int64_t task) { heads.join(task); };

  make_room(engine, count, q_size, buffers.attended_activations);
  constexpr std::int64_t kRowsOfTask = 16;
  const auto activate_rows = [&](std::int64_t task) {
    for (std::int64_t row = task * kRowsOfTask; row < std::min((task + 1) * kRowsOfTask, count); ++row) {
      activate_part(engine, attended, row, q_size, 0, q_size, buffers.attended_activations);
    }
  };
  const Activations inner = activations_in(engine, attended, q_size, buffers.attended_activations);
  const std::int64_t columns = outputs_of_task(weights.o.panels.panel_bytes, packed_bytes(weights.o), engine.threads());
  const auto add_columns = [&](std::int64_t task) {
    const std::int64_t first = task * columns;
    const std::int64_t last = std::min<std::int64_t>(first + columns, hidden);
    thread_local Buffer<float> part_buffer;
    float* part = part_buffer.get(count * columns);
    multiply_panels(weights.o, first, last, inner, nullptr, count, part, columns, engine.kernels());
    for (std::int64_t row = 0; row < count; ++row) {
      add_bias(weights.o_bias, first, last - first, part + row * columns);
      for (std::int64_t k = first; k < last; ++k) out[row * hidden + k] += part[row * columns + k - first];
    }
  };

  std::int64_t work = work_of(products) + count * q_size * hidden;
  for (const RowView& view : rows) work += static_cast<std::int64_t>(view.length) * q_size * 2;
  engine.pool().run_if_worth(work, kLeastProducts,
                             std::array{Phase(product_tasks, multiply_in), Phase(places ? 0 : spec.kv_heads, place),
                                        Phase(tasks, walk), Phase(spans_apart ? count * spec.kv_heads : 0, join),
                                        Phase((count + kRowsOfTask - 1) / kRowsOfTask, activate_rows),
                                        Phase((hidden + columns - 1) / columns, add_columns)});
}

}  // namespace specdec

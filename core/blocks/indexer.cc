#include "core/blocks/indexer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "core/blocks/decoder.h"
#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

constexpr float kNormEps = 1e-6f;
constexpr int kSlotsOfTask = 256;

struct IndexerScratch {
  Buffer<float> keys, queries, shares, scores;
  Buffer<RowView> views;
  Buffer<int> slots;

  std::int64_t bytes() const { return bytes_of(keys, queries, shares, scores, views, slots); }
};

// Layer normalisation (Ba et al., arXiv 1607.06450), in place.
void layer_norm(float* x, const std::vector<float>& w, const std::vector<float>& bias) {
  const auto size = static_cast<float>(w.size());
  float mean = 0;
  for (std::size_t i = 0; i < w.size(); ++i) mean += x[i];
  mean /= size;
  float variance = 0;
  for (std::size_t i = 0; i < w.size(); ++i) variance += (x[i] - mean) * (x[i] - mean);
  const float inverse = 1 / std::sqrt(variance / size + kNormEps);
  for (std::size_t i = 0; i < w.size(); ++i) x[i] = (x[i] - mean) * inverse * w[i] + bias[i];
}

}  // namespace

IndexKeys::IndexKeys(int dim, int capacity) : dim_(dim), padded_dim_((dim + 15) / 16 * 16), capacity_(capacity) {
  panel_bytes_ = padded_dim_ * static_cast<std::int64_t>(sizeof(Line));
  lines_ = std::make_unique_for_overwrite<Line[]>(static_cast<std::size_t>(panels_of(capacity) * padded_dim_));
}

void IndexKeys::store(int slot, const float* key) {
  Line* lines = panel(slot);
  for (int d = 0; d < dim_; ++d) lines[d].lanes[slot % kPanel] = key[d];
  for (int d = dim_; d < padded_dim_; ++d) lines[d].lanes[slot % kPanel] = 0;
}

void IndexKeys::commit(int length, std::span<const int> path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int from = length + path[i];
    const int to = length + static_cast<int>(i);
    for (int d = 0; d < padded_dim_; ++d) panel(to)[d].lanes[to % kPanel] = panel(from)[d].lanes[from % kPanel];
  }
}

Panels IndexKeys::panels(int first, int count) const {
  return {.data = reinterpret_cast<const std::byte*>(panel(first)),
          .panel_bytes = panel_bytes_,
          .kind = PanelKind::f32,
          .out = count,
          .in = dim_};
}

// The rows of a pass between the products and the choice.
struct Indexer::Rows {
  const Indexer& block;
  const Pass& pass;
  IndexKeys& keys;
  float* key;           // (rows, head_dim)
  float* query;         // (rows, heads, head_dim)
  const float* shares;  // (rows, heads)
  float* scores;        // (rows, capacity), by slot
  int* chosen;          // (rows, top), of rows that choose

  const IndexerSpec& spec() const { return block.spec_; }
  const RowView& sees(std::int64_t row) const { return pass.rows[static_cast<std::size_t>(row)]; }
  bool chooses(std::int64_t row) const { return sees(row).length > spec().top; }
  float* scores_of(std::int64_t row) const { return scores + row * pass.state.capacity(); }

  // What has no order must not choose: the row becomes NaN, which the end of the pass tells with the damaged tensor.
  void spoil_unless(bool finite, std::int64_t row) const {
    if (!finite) pass.x[row * pass.spec.hidden] = std::numeric_limits<float>::quiet_NaN();
  }

  void place(std::int64_t row) const {
    float* own = key + row * spec().head_dim;
    layer_norm(own, block.norm_, block.norm_bias_);
    spoil_unless(std::all_of(own, own + spec().head_dim, [](float value) { return std::isfinite(value); }), row);
    pass.rotate(spec().rope, row, own);
    keys.store(pass.slot(row), own);
    if (!chooses(row)) return;
    for (std::int64_t head = row * spec().heads; head < (row + 1) * spec().heads; ++head) {
      pass.rotate(spec().rope, row, query + head * spec().head_dim);
    }
  }

  // Of the slots [first, first + kSlotsOfTask) up to the row's own: a sum over heads of what is above 0, weighted.
  void score(std::int64_t row, int first) const {
    const int count = std::min(pass.slot(row) + 1 - first, kSlotsOfTask);
    if (!chooses(row) || count <= 0) return;
    thread_local Buffer<float> products;
    thread_local Buffer<std::byte> scratch;
    float* of_heads = products.get(spec().heads * kSlotsOfTask);
    pass.engine.kernels().multiply_f32(keys.panels(first, count), query + row * block.query_.out, spec().head_dim,
                                       nullptr, spec().heads, of_heads, kSlotsOfTask,
                                       scratch.get(panel_scratch_bytes(spec().head_dim)));
    float* sums = scores_of(row) + first;
    std::fill_n(sums, count, 0.0f);
    for (int head = 0; head < spec().heads; ++head, of_heads += kSlotsOfTask) {
      const float share = shares[row * spec().heads + head];
      for (int i = 0; i < count; ++i) sums[i] += share * std::max(of_heads[i], 0.0f);
    }
  }

  // The best positions, ascending; ties go to the lowest.
  void take_best(std::int64_t row) const {
    if (!chooses(row)) return;
    thread_local Buffer<float> by_position, sorted;
    const RowView& view = sees(row);
    float* scored = by_position.get(pass.state.capacity());
    for (int position = 0; position < view.length; ++position) {
      const float score = scores_of(row)[view.slots == nullptr ? position : view.slots[position]];
      scored[position] = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
      spoil_unless(std::isfinite(score), row);
    }
    float* best = sorted.get(pass.state.capacity());
    std::copy_n(scored, view.length, best);
    std::nth_element(best, best + spec().top - 1, best + view.length, std::greater<>());
    const float least = best[spec().top - 1];
    auto of_least = spec().top - std::count_if(best, best + spec().top, [&](float score) { return score > least; });
    int* slots = chosen + row * spec().top;
    for (int position = 0; position < view.length; ++position) {
      if (scored[position] < least || (scored[position] == least && of_least-- <= 0)) continue;
      *slots++ = view.slots == nullptr ? position : view.slots[position];
    }
  }
};

Indexer::Indexer(WeightFile& file, const std::string& path, const IndexerSpec& spec, int hidden, int q_rank)
    : spec_(spec) {
  query_ = file.linear(path + ".wq_b", {static_cast<std::int64_t>(spec.heads) * spec.head_dim, q_rank});
  key_ = file.linear(path + ".wk", {spec.head_dim, hidden});
  share_ = file.linear(path + ".weights_proj", {spec.heads, hidden});
  norm_ = file.vector(path + ".k_norm.weight", spec.head_dim);
  norm_bias_ = file.vector(path + ".k_norm.bias", spec.head_dim);
}

std::span<const RowView> Indexer::lay_out(const Pass& pass) const {
  auto& scratch = pass.scratch<IndexerScratch>();
  RowView* views = scratch.views.get(pass.count());
  int* slots = scratch.slots.get(pass.count() * spec_.top);
  for (std::size_t row = 0; row < pass.rows.size(); ++row, slots += spec_.top) {
    views[row] = pass.rows[row].length > spec_.top ? RowView{slots, spec_.top, 0} : pass.rows[row];
  }
  return {views, pass.rows.size()};
}

void Indexer::choose(const Pass& pass, IndexKeys& keys, const float* normed, const float* query_latents) const {
  const Engine& engine = pass.engine;
  auto& scratch = pass.scratch<IndexerScratch>();
  const std::int64_t count = pass.count();
  const Activations stream{.x = normed, .stride = key_.in, .q8 = std::nullopt};
  const Activations latents{.x = query_latents, .stride = query_.in, .q8 = std::nullopt};
  float* key = scratch.keys.get(count * key_.out);
  float* query = scratch.queries.get(count * query_.out);
  float* shares = scratch.shares.get(count * share_.out);
  int most_slots = 0;  // of a row that chooses
  std::int64_t products_of_scores = 0;
  for (std::int64_t row = 0; row < count; ++row) {
    if (pass.rows[static_cast<std::size_t>(row)].length <= spec_.top) continue;
    most_slots = pass.slot(row) + 1;
    products_of_scores += most_slots * query_.out;
  }
  // Whatever the length, so that a growing text allocates nothing.
  float* scores = scratch.scores.get(most_slots > 0 ? count * pass.state.capacity() : 0);
  const Rows rows{*this, pass, keys, key, query, shares, scores, scratch.slots.data()};
  std::array all{Product{&key_, stream, nullptr, count, key, key_.out},
                 Product{&query_, latents, nullptr, count, query, query_.out},
                 Product{&share_, stream, nullptr, count, shares, share_.out}};
  const std::span<Product> products = std::span(all).first(most_slots > 0 ? all.size() : 1);
  const std::int64_t product_tasks = plan(engine, products);
  const int pieces = (most_slots + kSlotsOfTask - 1) / kSlotsOfTask;
  const auto multiply_in = [&](std::int64_t task) { run_task(engine, products, task); };
  const auto place = [&](std::int64_t row) { rows.place(row); };
  const auto score = [&](std::int64_t task) {
    rows.score(task / pieces, static_cast<int>(task % pieces) * kSlotsOfTask);
  };
  const auto take_best = [&](std::int64_t row) { rows.take_best(row); };
  engine.pool().run_if_worth(work_of(products) + products_of_scores, kLeastProducts,
                             std::array{Phase(product_tasks, multiply_in), Phase(count, place),
                                        Phase(count * pieces, score), Phase(most_slots > 0 ? count : 0, take_best)});
  engine.lap(Part::indexer);
}

}  // namespace specdec

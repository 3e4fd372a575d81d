#include "core/blocks/cache_attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

// Positions of a row that are softened together before the parts are merged: parts are work for several threads. A row
// that sees more than kMostSpans of them has longer ones, so that what parts need has a bound.
constexpr int kSpan = 8 * kKvChunk;
constexpr int kMostSpans = 16;
constexpr std::int64_t kMostPartBytes = 64 << 20;
// Rows that walk over the keys together.
constexpr std::int64_t kTileRows = 64;
// Queries that do, of the rows and of the heads that share a key head: fewer would read the keys more often than
// threads gain.
constexpr int kLeastQueries = 8;

int parts_of(int positions, int span) { return (positions + span - 1) / span; }

}  // namespace

CacheAttention::CacheAttention(const Engine& engine, KvCache& cache, const CacheQueries& queries, int all_positions,
                               PartScratch& scratch)
    : kernels_(*engine.kernels().attention), cache_(cache), queries_(queries) {
  tiles_ = (count() + kTileRows - 1) / kTileRows;
  first_span_ = std::numeric_limits<int>::max();
  for (std::int64_t row = 0; row < count(); ++row) {
    first_span_ = std::min(first_span_, first_seen(row) / span_of(row));
    end_span_ = std::max(end_span_, parts_of(queries_.rows[static_cast<std::size_t>(row)].length, span_of(row)));
  }
  constexpr int kTasksOfThread = 4;
  const std::int64_t wanted = kTasksOfThread * engine.threads();
  const int group = queries_.heads / cache_.kv_heads();
  while (tiles_ * cache_.kv_heads() * blocks_ < engine.threads() && count() * group / (2 * blocks_) >= kLeastQueries &&
         group % (2 * blocks_) == 0) {
    blocks_ *= 2;
  }
  const bool few_tasks = tiles_ == 1 && cache_.kv_heads() * blocks_ < wanted;
  const std::int64_t states = count() * queries_.heads;
  const std::int64_t values = states * cache_.layout().padded_dim();
  // The windows of rows that follow one another begin within a span of one another, and anywhere in one.
  const bool ends = queries_.window > 0 && queries_.window < all_positions - 2 * kSpan;
  const int seen = ends ? queries_.window + 2 * kSpan : all_positions;
  const int most_parts = std::clamp(parts_of(seen, kSpan), 2, kMostSpans + 2);
  const bool fits = most_parts * values * static_cast<std::int64_t>(sizeof(float)) <= kMostPartBytes;
  const int spans = end_span_ - first_span_;
  spans_apart_ = spans > 1 && spans <= most_parts && few_tasks && fits;
  const std::int64_t parts = few_tasks && fits ? most_parts : 2;
  states_ = scratch.states.get(parts * states);
  values_ = scratch.values.get(parts * values);
}

std::int64_t CacheAttention::walks() const {
  return blocks_ * cache_.kv_heads() * tiles_ * (spans_apart_ ? end_span_ - first_span_ : 1);
}

std::int64_t CacheAttention::joins() const { return spans_apart_ ? count() * cache_.kv_heads() * blocks_ : 0; }

std::int64_t CacheAttention::work() const {
  std::int64_t positions = 0;
  for (std::int64_t row = 0; row < count(); ++row) {
    positions += queries_.rows[static_cast<std::size_t>(row)].length - first_seen(row);
  }
  return positions * queries_.heads * (cache_.layout().key_dim + cache_.layout().value_dim);
}

int CacheAttention::first_seen(std::int64_t row) const {
  const int length = queries_.rows[static_cast<std::size_t>(row)].length;
  return queries_.window > 0 ? std::max(length - queries_.window, 0) : 0;
}

int CacheAttention::span_of(std::int64_t row) const {
  const int seen = queries_.rows[static_cast<std::size_t>(row)].length - first_seen(row);
  int span = kSpan;
  while (seen > std::int64_t{kMostSpans} * span) span *= 2;
  return span;
}

QueryState& CacheAttention::state_of(std::int64_t part, std::int64_t row, int head) const {
  return states_[(part * count() + row) * queries_.heads + head];
}

CacheAttention::Heads CacheAttention::heads_of(std::int64_t task) const {
  const int group = queries_.heads / cache_.kv_heads();
  const int size = group / blocks_;
  const int first = key_head(task) * group + static_cast<int>(task % blocks_) * size;
  return {key_head(task), first, first + size};
}

void CacheAttention::start(std::int64_t part, std::int64_t row, int head) const {
  const int padded = cache_.layout().padded_dim();
  float* sums = values_ + ((part * count() + row) * queries_.heads + head) * padded;
  std::fill_n(sums, padded, 0.0f);
  state_of(part, row, head) = {.query = queries_.query + (row * queries_.heads + head) * cache_.layout().key_dim,
                               .values = sums};
}

// Rows [first, last) over one span. All of them read a chunk in one go, each as much of it as it sees; a chunk of which
// a row sees slots that are not in order, its own branch of a tree, is read for that row.
void CacheAttention::walk_span(const Heads& heads, std::int64_t first, std::int64_t last, int span,
                               std::int64_t part) const {
  thread_local Buffer<QueryState*> together;
  thread_local Buffer<Seen> seen_of;
  thread_local Buffer<std::byte> own;
  thread_local Buffer<float> turned_of;
  const int size = heads.last - heads.first;
  QueryState** queries = together.get(kTileRows * size);
  Seen* seen = seen_of.get(kTileRows * size);
  const KvLayout& layout = cache_.layout();
  float* turned = turned_of.get(layout.turned_floats());
  std::array<Seen, kTileRows> in_span;  // what each row sees of it
  int begin = std::numeric_limits<int>::max();
  int end = 0;
  for (std::int64_t row = first; row < last; ++row) {
    const int positions = span_of(row);
    const Seen sees{std::max(first_seen(row), span * positions),
                    std::min(queries_.rows[static_cast<std::size_t>(row)].length, (span + 1) * positions)};
    in_span[static_cast<std::size_t>(row - first)] = sees;
    if (sees.first < sees.last) {
      begin = std::min(begin, sees.first / kKvChunk * kKvChunk);
      end = std::max(end, sees.last);
    }
    for (int head = heads.first; head < heads.last; ++head) start(part, row, head);
  }
  for (int at = begin; at < end; at += kKvChunk) {
    const std::byte* chunk = cache_.chunk(heads.kv_head, at);
    int count_together = 0;
    for (std::int64_t row = first; row < last; ++row) {
      const RowView& view = queries_.rows[static_cast<std::size_t>(row)];
      const Seen& whole = in_span[static_cast<std::size_t>(row - first)];
      const Seen sees{std::max(whole.first - at, 0), std::min(whole.last - at, kKvChunk)};
      if (sees.first >= sees.last) continue;
      for (int i = 0; i < size; ++i) {
        queries[count_together + i] = &state_of(part, row, heads.first + i);
        seen[count_together + i] = sees;
      }
      if (view.slots == nullptr || at + sees.last <= view.in_order) {
        count_together += size;
        continue;
      }
      std::byte* copy = own.get(layout.chunk_bytes());
      cache_.gather(heads.kv_head, view, at, sees.last, copy);
      kernels_.attend(layout, copy, seen + count_together, queries + count_together, size, turned);
    }
    kernels_.attend(layout, chunk, seen, queries, count_together, turned);
  }
}

void CacheAttention::walk(std::int64_t task) const {
  const Heads heads = heads_of(task);
  const std::int64_t above = task / blocks_ / cache_.kv_heads();
  const std::int64_t first = above % tiles_ * kTileRows;
  const std::int64_t last = std::min(first + kTileRows, count());
  if (spans_apart_) {
    const auto part = static_cast<int>(above / tiles_);
    return walk_span(heads, first, last, first_span_ + part, part);
  }
  walk_span(heads, first, last, first_span_, 0);
  for (int span = first_span_ + 1; span < end_span_; ++span) {
    walk_span(heads, first, last, span, 1);
    for (std::int64_t row = first; row < last; ++row) merge(heads, row, 1);
  }
  for (std::int64_t row = first; row < last; ++row) finish(heads, row);
}

// What a row saw in `part` into its first part, which saw the positions before.
void CacheAttention::merge(const Heads& heads, std::int64_t row, std::int64_t part) const {
  const int padded = cache_.layout().padded_dim();
  for (int head = heads.first; head < heads.last; ++head) {
    const QueryState& from = state_of(part, row, head);
    QueryState& into = state_of(0, row, head);
    if (from.sum == 0) continue;  // it saw nothing there
    if (into.sum != 0) {
      kernels_.merge(from, padded, into);
      continue;
    }
    std::copy_n(from.values, padded, into.values);
    into.top = from.top;
    into.sum = from.sum;
  }
}

void CacheAttention::finish(const Heads& heads, std::int64_t row) const {
  const int dim = cache_.layout().value_dim;
  for (int head = heads.first; head < heads.last; ++head) {
    const QueryState& done = state_of(0, row, head);
    float share = 1;
    float sum = done.sum;
    if (queries_.sinks != nullptr) {
      const float sink = queries_.sinks[head];
      const float top = std::max(done.top, sink);
      share = std::exp(done.top - top);
      sum = sum * share + std::exp(sink - top);
    }
    const float inverse = share / sum;
    float* out = queries_.attended + (row * queries_.heads + head) * dim;
    for (int d = 0; d < dim; ++d) out[d] = done.values[d] * inverse;
  }
}

// Where spans are apart: all parts of a row and its heads.
void CacheAttention::join(std::int64_t task) const {
  const Heads heads = heads_of(task);
  const std::int64_t row = task / blocks_ / cache_.kv_heads();
  for (int part = 1; part < end_span_ - first_span_; ++part) merge(heads, row, part);
  finish(heads, row);
}

}  // namespace specdec

// Softmax attention of the rows of a pass over one layer's cache, as tasks for a phase among others. What a row sees
// decides its bits, and nothing else: not the other rows, the threads or the parts that the work is cut into.
#pragma once

#include <span>
#include <vector>

#include "core/blocks/decoder_state.h"
#include "core/blocks/kv_cache.h"
#include "core/engine.h"

namespace specdec {

struct CacheQueries {
  int heads = 0;                 // a multiple of the cache's key heads: neighbours share one
  const float* query = nullptr;  // (rows, heads, key_dim), multiplied by the scale of scores
  float* attended = nullptr;     // (rows, heads, value_dim)
  std::span<const RowView> rows;
  int window = 0;                // a row sees the last so many of its positions; 0: all
  const float* sinks = nullptr;  // (heads): a score that takes its share and has no value (gpt-oss); null: none
};

// What tasks have seen of the parts of rows.
struct PartScratch {
  Buffer<QueryState> states;
  Buffer<float> values;

  std::int64_t bytes() const { return bytes_of(states, values); }
};

class CacheAttention {
 public:
  // all_positions: of the longest row there can be, so that a growing text allocates nothing.
  CacheAttention(const Engine& engine, KvCache& cache, const CacheQueries& queries, int all_positions,
                 PartScratch& scratch);

  // A task walks over the keys of one key head for some of its heads and rows; then tasks join what lies apart.
  std::int64_t walks() const;
  void walk(std::int64_t task) const;
  std::int64_t joins() const;
  void join(std::int64_t task) const;

  // A walk is all that is done for its key head: whoever walks may first append its keys.
  bool owns_key_heads() const { return !spans_apart_ && tiles_ == 1 && blocks_ == 1; }
  int key_head(std::int64_t task) const { return static_cast<int>(task / blocks_ % cache_.kv_heads()); }
  std::int64_t work() const;  // multiplications

 private:
  struct Heads {
    int kv_head, first, last;
  };
  Heads heads_of(std::int64_t task) const;
  std::int64_t count() const { return static_cast<std::int64_t>(queries_.rows.size()); }
  int first_seen(std::int64_t row) const;
  int span_of(std::int64_t row) const;  // positions, by how many it sees
  QueryState& state_of(std::int64_t part, std::int64_t row, int head) const;
  void start(std::int64_t part, std::int64_t row, int head) const;
  void walk_span(const Heads& heads, std::int64_t first, std::int64_t last, int span, std::int64_t part) const;
  void merge(const Heads& heads, std::int64_t row, std::int64_t part) const;
  void finish(const Heads& heads, std::int64_t row) const;

  const AttentionKernels& kernels_;
  KvCache& cache_;
  CacheQueries queries_;
  QueryState* states_;  // (parts, rows, heads)
  float* values_;       // of the states, (parts, rows, heads, padded_dim)
  std::int64_t tiles_;
  int first_span_ = 0, end_span_ = 0;  // that some row sees
  int blocks_ = 1;                     // that the heads of a key head are cut into
  bool spans_apart_;                   // the spans of a row are tasks of their own
};

}  // namespace specdec

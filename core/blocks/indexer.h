// The indexer of DeepSeek Sparse Attention (DeepSeek-V3.2, arXiv 2512.02556, section 2.1): it scores every position for
// a row, and the row attends to the best of them alone. In float32, since a score decides what is seen.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/blocks/block.h"
#include "core/weights.h"

namespace specdec {

struct IndexerSpec {
  int heads = 0, head_dim = 0;
  int top = 0;   // positions that a row sees
  int rope = 0;  // which of DecoderSpec::ropes, for the first elements of queries and keys
};

// The keys of one layer by slots, as in KvCache. Each kPanel slots are a panel: a map from a query to its scores.
class IndexKeys {
 public:
  IndexKeys(int dim, int capacity);

  std::int64_t bytes() const { return panels_of(capacity_) * panel_bytes_; }
  void store(int slot, const float* key);
  void commit(int length, std::span<const int> path);  // as of LayerCache
  Panels panels(int first, int count) const;           // of the slots from `first`, a multiple of kPanel

 private:
  struct alignas(64) Line {
    float lanes[kPanel];  // one element of as many slots
  };
  Line* panel(int slot) const { return lines_.get() + slot / kPanel * padded_dim_; }

  int dim_, padded_dim_, capacity_;
  std::int64_t panel_bytes_;
  std::unique_ptr<Line[]> lines_;
};

class Indexer {
 public:
  Indexer(WeightFile& file, const std::string& path, const IndexerSpec& spec, int hidden, int q_rank);

  // What every row of the pass is going to see, in the state's buffers. The slots are yet to be chosen of rows that see
  // more than `top`; others see all.
  std::span<const RowView> lay_out(const Pass& pass) const;
  // Appends the keys of the rows, and chooses. normed (rows, hidden), query_latents (rows, q_rank).
  void choose(const Pass& pass, IndexKeys& keys, const float* normed, const float* query_latents) const;

  const IndexerSpec& spec() const { return spec_; }

 private:
  struct Rows;

  IndexerSpec spec_;
  Weight query_, key_, share_;
  std::vector<float> norm_, norm_bias_;
};

}  // namespace specdec

#include "core/blocks/kv_state.h"

#include <algorithm>
#include <new>
#include <numeric>

#include "core/error.h"

namespace specdec {

KvState::KvState(int layers, std::int64_t kv_size, int capacity) : capacity_(capacity), kv_size_(kv_size) {
  SPECDEC_ASSERT(capacity > 0);
  const auto size = static_cast<std::size_t>(capacity) * static_cast<std::size_t>(kv_size);
  try {
    for (int layer = 0; layer < layers; ++layer) {
      keys_.push_back(std::make_unique_for_overwrite<float[]>(size));
      values_.push_back(std::make_unique_for_overwrite<float[]>(size));
    }
    views_.reserve(static_cast<std::size_t>(capacity));
  } catch (const std::bad_alloc&) {
    throw Error("the keys and values of {} positions need {:.1f} GB, more than there is; ask for fewer tokens",
                capacity, 2e-9 * layers * static_cast<double>(size) * sizeof(float));
  }
}

std::span<const RowView> KvState::append(const Batch& batch) {
  SPECDEC_ASSERT(batch.tokens.size() == batch.parents.size());
  const std::size_t first = views_.size();
  SPECDEC_ASSERT(length_ + static_cast<int>(first + batch.tokens.size()) <= capacity_);
  int* branch = nullptr;
  for (const int parent : batch.parents) {
    const int slot = length_ + pending();
    SPECDEC_ASSERT(parent >= -1 && parent < pending());
    RowView view = parent < 0 ? RowView{nullptr, length_} : views_[static_cast<std::size_t>(parent)];
    if (view.slots != nullptr || view.length != slot) {  // not a chain, whose slots are in order
      if (branch == nullptr) branch = new_branches(static_cast<std::int64_t>(batch.parents.size()));
      if (view.slots == nullptr) {
        std::iota(branch, branch + view.length, 0);
      } else {
        std::copy_n(view.slots, view.length, branch);
      }
      branch[view.length] = slot;
      view.slots = branch;
      branch += view.length + 1;
    }
    ++view.length;
    views_.push_back(view);
  }
  return std::span(views_).subspan(first);
}

int* KvState::new_branches(std::int64_t rows) {
  if (appends_ == branches_.size()) branches_.emplace_back();
  return branches_[appends_++].get(rows * capacity_);  // whatever the length, so that a growing text allocates nothing
}

void KvState::commit(std::span<const int> path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int from = length_ + path[i];
    const int to = length_ + static_cast<int>(i);
    SPECDEC_ASSERT(path[i] >= static_cast<int>(i) && path[i] < pending());
    SPECDEC_ASSERT(views_[static_cast<std::size_t>(path[i])].position() == to);
    if (from == to) continue;
    for (std::size_t layer = 0; layer < keys_.size(); ++layer) {
      std::copy_n(keys_[layer].get() + from * kv_size_, kv_size_, keys_[layer].get() + to * kv_size_);
      std::copy_n(values_[layer].get() + from * kv_size_, kv_size_, values_[layer].get() + to * kv_size_);
    }
  }
  length_ += static_cast<int>(path.size());
  views_.clear();
  appends_ = 0;
}

}  // namespace specdec

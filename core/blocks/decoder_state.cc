#include "core/blocks/decoder_state.h"

#include <algorithm>
#include <new>
#include <numeric>

#include "core/error.h"

namespace specdec {

DecoderState::DecoderState(std::vector<std::unique_ptr<LayerCache>> caches, int capacity)
    : capacity_(capacity), caches_(std::move(caches)) {
  SPECDEC_ASSERT(capacity > 0);
  views_.reserve(static_cast<std::size_t>(capacity));
  parents_.reserve(static_cast<std::size_t>(capacity));
}

std::int64_t PassBuffers::bytes() const {
  std::int64_t bytes = bytes_of(x, normed, step, logits, joined, activations, scratch);
  for (const Buffer<float>& tap : taps) bytes += tap.bytes();
  for (const Buffer<float>& of_rope : angles) bytes += of_rope.bytes();
  return bytes;
}

std::int64_t DecoderState::memory_bytes() const {
  std::int64_t bytes = buffers_.bytes();
  for (const auto& cache : caches_) bytes += cache ? cache->memory_bytes() : 0;
  for (const Buffer<int>& branch : branches_) bytes += branch.bytes();
  return bytes;
}

std::span<const RowView> DecoderState::append(const Batch& batch) {
  SPECDEC_ASSERT(batch.tokens.size() == batch.parents.size());
  const std::size_t first = views_.size();
  choice_ = {};
  SPECDEC_ASSERT(length_ + static_cast<int>(first + batch.tokens.size()) <= capacity_);
  for (const auto& cache : caches_) {
    if (cache) cache->make_room(length_, static_cast<int>(first + batch.tokens.size()));
  }
  int* branch = nullptr;
  for (const int parent : batch.parents) {
    const int slot = length_ + pending();
    SPECDEC_ASSERT(parent >= -1 && parent < pending());
    RowView view = parent < 0 ? RowView{nullptr, length_, length_} : views_[static_cast<std::size_t>(parent)];
    if (view.slots != nullptr || view.length != slot) {  // not a chain, whose slots are in order
      if (branch == nullptr) branch = new_branches(static_cast<std::int64_t>(batch.parents.size()));
      if (view.slots == nullptr) {
        std::iota(branch, branch + view.length, 0);
      } else {
        std::copy_n(view.slots, view.length, branch);
      }
      branch[view.length] = slot;
      view.slots = branch;
      view.in_order = length_;
      branch += view.length + 1;
    } else {
      ++view.in_order;
    }
    ++view.length;
    views_.push_back(view);
    parents_.push_back(parent);
  }
  return std::span(views_).subspan(first);
}

int* DecoderState::new_branches(std::int64_t rows) {
  if (appends_ == branches_.size()) branches_.emplace_back();
  return branches_[appends_++].get(rows * capacity_);  // whatever the length, so that a growing text allocates nothing
}

void DecoderState::commit(std::span<const int> path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    SPECDEC_ASSERT(path[i] >= static_cast<int>(i) && path[i] < pending());
    SPECDEC_ASSERT(views_[static_cast<std::size_t>(path[i])].position() == length_ + static_cast<int>(i));
  }
  for (const auto& cache : caches_) {
    if (cache) cache->commit(length_, path);
  }
  length_ += static_cast<int>(path.size());
  views_.clear();
  parents_.clear();
  appends_ = 0;
}

std::unique_ptr<DecoderState> make_state(int layers, int capacity,
                                         const std::function<std::unique_ptr<LayerCache>(int layer)>& make) {
  std::vector<std::unique_ptr<LayerCache>> caches;
  std::int64_t bytes = 0;
  try {
    for (int layer = 0; layer < layers; ++layer) {
      caches.push_back(make(layer));
      if (caches.back()) bytes += caches.back()->memory_bytes();
    }
    return std::make_unique<DecoderState>(std::move(caches), capacity);
  } catch (const std::bad_alloc&) {
    throw Error(
        "what layers keep of {} positions does not fit into memory: {:.1f} GB for {} of {} layers, then there was no "
        "more; ask for fewer tokens",
        capacity, 1e-9 * static_cast<double>(bytes), caches.size(), layers);
  }
}

}  // namespace specdec

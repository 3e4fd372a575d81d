#include "core/blocks/kv_state.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>

#include "core/error.h"

namespace specdec {

namespace {

// The key and value at one position of a chunk, to a position of another or of itself.
template <typename Element>
void copy_elements(const KvLayout& layout, const std::byte* from, int from_position, std::byte* to, int to_position) {
  const auto* keys = reinterpret_cast<const Element*>(from) + from_position;
  auto* to_keys = reinterpret_cast<Element*>(to) + to_position;
  for (int d = 0; d < layout.head_dim; ++d) to_keys[d * kKvChunk] = keys[d * kKvChunk];
  const auto* values = reinterpret_cast<const Element*>(from + layout.values_at());
  auto* to_values = reinterpret_cast<Element*>(to + layout.values_at());
  std::copy_n(values + from_position * layout.padded_dim(), layout.padded_dim(),
              to_values + to_position * layout.padded_dim());
}

void copy_position(const KvLayout& layout, const std::byte* from, int from_position, std::byte* to, int to_position) {
  if (layout.type == KvType::f32) return copy_elements<float>(layout, from, from_position, to, to_position);
  if (layout.type == KvType::f16) return copy_elements<std::uint16_t>(layout, from, from_position, to, to_position);
  copy_elements<std::int8_t>(layout, from, from_position, to, to_position);
  const auto* scales = reinterpret_cast<const float*>(from + layout.scales_at()) + from_position;
  auto* to_scales = reinterpret_cast<float*>(to + layout.scales_at()) + to_position;
  to_scales[0] = scales[0];
  to_scales[kKvChunk] = scales[kKvChunk];
}

}  // namespace

KvState::KvState(int layers, int kv_heads, const KvLayout& layout, int capacity)
    : capacity_(capacity), kv_heads_(kv_heads), layout_(layout), chunk_bytes_(layout.chunk_bytes()) {
  SPECDEC_ASSERT(capacity > 0 && chunk_bytes_ % 64 == 0);
  const auto lines = static_cast<std::size_t>(layer_bytes() / 64);
  try {
    for (int layer = 0; layer < layers; ++layer) layers_.push_back(std::make_unique_for_overwrite<Line[]>(lines));
    views_.reserve(static_cast<std::size_t>(capacity));
  } catch (const std::bad_alloc&) {
    throw Error("the keys and values of {} positions need {:.1f} GB, more than there is; ask for fewer tokens",
                capacity, 1e-9 * layers * static_cast<double>(layer_bytes()));
  }
}

std::int64_t PassBuffers::bytes() const {
  const auto sum = [](const auto&... buffers) { return (buffers.bytes() + ...); };
  std::int64_t bytes = sum(x, normed, query, new_keys, new_values, attended, cosines, sines, router, logits, joined,
                           expert_rows, chosen, slots, heaviest, chosen_weight, expert_shares, expert_totals,
                           query_states, query_values, activations, attended_activations, inner, shared_inner);
  for (const Buffer<float>& tap : taps) bytes += tap.bytes();
  return bytes;
}

std::int64_t KvState::layer_bytes() const {
  return (static_cast<std::int64_t>(capacity_) + kKvChunk - 1) / kKvChunk * kv_heads_ * chunk_bytes_;
}

std::int64_t KvState::memory_bytes() const {
  std::int64_t bytes = layer_bytes() * layers() + buffers_.bytes();
  for (const Buffer<int>& branch : branches_) bytes += branch.bytes();
  return bytes;
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

void KvState::gather(int layer, int head, const RowView& view, int first, int count, std::byte* to) {
  const std::byte* base = chunk(layer, head, first);
  const int in_place = std::clamp(length_ - first, 0, count);
  if (in_place > 0) std::memcpy(to, base, static_cast<std::size_t>(chunk_bytes_));
  for (int position = first + in_place; position < first + count; ++position) {
    const int slot = view.slots[position];
    copy_position(layout_, chunk(layer, head, slot), slot % kKvChunk, to, position % kKvChunk);
  }
}

void KvState::commit(std::span<const int> path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int from = length_ + path[i];
    const int to = length_ + static_cast<int>(i);
    SPECDEC_ASSERT(path[i] >= static_cast<int>(i) && path[i] < pending());
    SPECDEC_ASSERT(views_[static_cast<std::size_t>(path[i])].position() == to);
    if (from == to) continue;
    for (int layer = 0; layer < layers(); ++layer) {
      for (int head = 0; head < kv_heads_; ++head) {
        copy_position(layout_, chunk(layer, head, from), from % kKvChunk, chunk(layer, head, to), to % kKvChunk);
      }
    }
  }
  length_ += static_cast<int>(path.size());
  views_.clear();
  appends_ = 0;
}

}  // namespace specdec

#include "core/blocks/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/blocks/decoder_state.h"
#include "core/error.h"
#include "core/windows.h"

namespace specdec {
namespace {

// The key and value at one position of a chunk, to a position of another or of itself.
template <typename Element>
void copy_elements(const KvLayout& layout, const std::byte* from, int from_position, std::byte* to, int to_position) {
  const auto* values = reinterpret_cast<const Element*>(from + layout.values_at());
  auto* to_values = reinterpret_cast<Element*>(to + layout.values_at());
  std::copy_n(values + from_position * layout.row_dim(), layout.row_dim(), to_values + to_position * layout.row_dim());
  if (layout.latent) return;
  const auto* keys = reinterpret_cast<const Element*>(from) + from_position;
  auto* to_keys = reinterpret_cast<Element*>(to) + to_position;
  for (int d = 0; d < layout.key_dim; ++d) to_keys[d * kKvChunk] = keys[d * kKvChunk];
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

KvCache::KvCache(int kv_heads, const KvLayout& layout, int capacity, int window)
    : kv_heads_(kv_heads),
      capacity_(capacity),
      window_(window),
      chunks_(chunks_of_window(window, kUsualRows, capacity)),
      layout_(layout),
      chunk_bytes_(layout.chunk_bytes()) {
  SPECDEC_ASSERT(capacity > 0 && chunk_bytes_ % 64 == 0);
  lines_ = std::make_unique_for_overwrite<Line[]>(static_cast<std::size_t>(memory_bytes() / 64));
}

void KvCache::make_room(int length, int pending) {
  const int chunks = chunks_of_window(window_, pending, capacity_);
  if (chunks <= chunks_) return;
  const std::int64_t all_heads = kv_heads_ * chunk_bytes_;
  auto lines = std::make_unique_for_overwrite<Line[]>(static_cast<std::size_t>(chunks * all_heads / 64));
  const std::unique_ptr<Line[]> before = std::exchange(lines_, std::move(lines));
  const int before_chunks = std::exchange(chunks_, chunks);
  const int first = std::max(length + 1 - window_, 0) / kKvChunk;  // only rings grow
  for (int chunk = first; chunk < first + before_chunks; ++chunk) {
    std::memcpy(chunk_of(0, chunk % chunks_),
                reinterpret_cast<const std::byte*>(before.get()) + chunk % before_chunks * all_heads,
                static_cast<std::size_t>(all_heads));
  }
}

void KvCache::gather(int head, const RowView& view, int first, int count, std::byte* to) {
  const std::byte* base = chunk(head, first);
  const int in_place = std::clamp(view.in_order - first, 0, count);
  if (in_place > 0) std::memcpy(to, base, static_cast<std::size_t>(chunk_bytes_));
  for (int position = first + in_place; position < first + count; ++position) {
    const int slot = view.slots[position];
    copy_position(layout_, chunk(head, slot), slot % kKvChunk, to, position % kKvChunk);
  }
}

void KvCache::commit(int length, std::span<const int> path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int from = length + path[i];
    const int to = length + static_cast<int>(i);
    if (from == to) continue;
    for (int head = 0; head < kv_heads_; ++head) {
      copy_position(layout_, chunk(head, from), from % kKvChunk, chunk(head, to), to % kKvChunk);
    }
  }
}

}  // namespace specdec

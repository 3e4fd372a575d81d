// Attention over a cache that is laid out in chunks of positions. A query reads chunk after chunk and keeps a running
// softmax (Milakov and Gimelshein, arXiv 1805.02867), so what it computes depends on its own chunks alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace specdec {

enum class KvType { f32, f16, q8 };

inline constexpr int kKvChunk = 64;  // positions

// The keys and values of one key head at kKvChunk positions, in one piece:
//   keys (key_dim, positions): a lane is a position, and a score needs no sum over lanes
//   values (positions, padded_dim), zero past value_dim
//   q8 only: the scales of the keys, then of the values, (positions) float32 each; x = scale * code
// Latents, whose first value_dim elements are the value as well:
//   (positions, row_dim), zero past key_dim; turned on the way into as many lanes
//   q8 only: the scales of values, then of the other elements, (positions) float32 each
struct KvLayout {
  KvType type = KvType::f16;
  int key_dim = 0, value_dim = 0;
  bool latent = false;

  int padded_dim() const { return (value_dim + 15) / 16 * 16; }
  int row_dim() const { return latent ? (key_dim + 15) / 16 * 16 : padded_dim(); }  // from one value to the next
  std::int64_t element_bytes() const { return type == KvType::f32 ? 4 : type == KvType::f16 ? 2 : 1; }
  std::int64_t values_at() const { return latent ? 0 : kKvChunk * key_dim * element_bytes(); }
  std::int64_t scales_at() const { return values_at() + kKvChunk * row_dim() * element_bytes(); }
  std::int64_t chunk_bytes() const { return scales_at() + (type == KvType::q8 ? 2 * kKvChunk * 4 : 0); }
  std::int64_t turned_floats() const { return latent ? kKvChunk * row_dim() : 0; }
};

// One query on its way through the chunks: the sum of exp(score - top) over the positions so far, and of the values
// times that.
struct QueryState {
  const float* query = nullptr;  // (key_dim), already multiplied by the scale of scores
  float* values = nullptr;       // (padded_dim)
  float top = -std::numeric_limits<float>::infinity();
  float sum = 0;
};

// Positions of a chunk that a query sees.
struct Seen {
  int first = 0, last = 0;  // [first, last)
};

struct AttentionKernels {
  // Writes the key (key_dim) and value (value_dim) of one position; of latents the key alone is read.
  void (*store)(const KvLayout& layout, std::byte* chunk, int position, const float* key, const float* value);
  // Takes the positions seen[i] of a chunk, at least one, into query i. The bits of one do not depend on the others.
  // turned: room for turned_floats().
  void (*attend)(const KvLayout& layout, const std::byte* chunk, const Seen* seen, QueryState* const* queries,
                 int count, float* turned);
  // Takes what `from` has seen into `into`, which saw the positions before.
  void (*merge)(const QueryState& from, int padded_dim, QueryState& into);
};

}  // namespace specdec

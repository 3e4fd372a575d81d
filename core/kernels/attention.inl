// The attention kernels of one level. Included inside an anonymous namespace after portable.inl and after what the
// level defines: Lanes (kWidth floats), kVectors (of them in a tile, fewer if it has more than 4 queries), kMostQueries
// (4 or 8, in a tile), load, broadcast, store, multiply, multiply_add, of two vectors added and larger, and of the
// lanes of one total and largest; of two vectors, their lanes by turns: those of the first halves (zipped_low) and of
// the second (zipped_high). NOLINTBEGIN

struct Half {
  std::uint16_t bits;
};

// To nearest, ties to even.
inline std::uint16_t f16_bits(float x) {
  const std::uint32_t sign = (as_bits(x) >> 16) & 0x8000u;
  const std::uint32_t magnitude = as_bits(x) & 0x7fffffffu;
  const std::uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const std::uint32_t small = as_bits(as_float(magnitude) + 0.5f) - as_bits(0.5f);
  const std::uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const std::uint32_t finite = magnitude < 0x38800000u ? small : normal;
  return static_cast<std::uint16_t>(sign | (magnitude >= 0x477ff000u ? special : finite));
}

inline void convert(float x, float& to) { to = x; }
inline void convert(float x, Half& to) { to.bits = f16_bits(x); }

template <typename Element>
void store_elements(const KvLayout& layout, std::byte* chunk, int position, const float* key, const float* value) {
  auto* values = reinterpret_cast<Element*>(chunk + layout.values_at()) + position * layout.row_dim();
  if (layout.latent) {
    for (int d = 0; d < layout.key_dim; ++d) convert(key[d], values[d]);
    for (int d = layout.key_dim; d < layout.row_dim(); ++d) values[d] = {};
    return;
  }
  auto* keys = reinterpret_cast<Element*>(chunk) + position;
  for (int d = 0; d < layout.key_dim; ++d) convert(key[d], keys[d * kKvChunk]);
  for (int d = 0; d < layout.value_dim; ++d) convert(value[d], values[d]);
  for (int d = layout.value_dim; d < layout.padded_dim(); ++d) values[d] = {};
}

// Codes of a vector with one scale, codes[i * stride].
inline float store_codes(const float* x, int n, std::int8_t* codes, std::int64_t stride) {
  const float scale = step_of(largest_magnitude(x, n));
  const float inverse = inverse_of(scale);
  for (int i = 0; i < n; ++i) codes[i * stride] = static_cast<std::int8_t>(code_of(x[i], inverse));
  return scale;
}

inline void store_position(const KvLayout& layout, std::byte* chunk, int position, const float* key,
                           const float* value) {
  if (layout.type == KvType::f32) return store_elements<float>(layout, chunk, position, key, value);
  if (layout.type == KvType::f16) return store_elements<Half>(layout, chunk, position, key, value);
  auto* values = reinterpret_cast<std::int8_t*>(chunk + layout.values_at()) + position * layout.row_dim();
  auto* scales = reinterpret_cast<float*>(chunk + layout.scales_at()) + position;
  if (layout.latent) {
    scales[0] = store_codes(key, layout.value_dim, values, 1);
    scales[kKvChunk] =
        store_codes(key + layout.value_dim, layout.key_dim - layout.value_dim, values + layout.value_dim, 1);
    for (int d = layout.key_dim; d < layout.row_dim(); ++d) values[d] = 0;
    return;
  }
  auto* keys = reinterpret_cast<std::int8_t*>(chunk) + position;
  scales[0] = store_codes(key, layout.key_dim, keys, kKvChunk);
  scales[kKvChunk] = store_codes(value, layout.value_dim, values, 1);
  for (int d = layout.value_dim; d < layout.padded_dim(); ++d) values[d] = 0;
}

inline int earlier(int a, int b) { return a < b ? a : b; }
inline int later(int a, int b) { return a > b ? a : b; }

// x[i] lane j <-> x[j] lane i.
inline void transpose(Lanes (&x)[kWidth]) {
#pragma GCC unroll 4
  for (int round = 1; round < kWidth; round *= 2) {
    Lanes zipped[kWidth];
#pragma GCC unroll 8
    for (int i = 0; i < kWidth / 2; ++i) {
      zipped[2 * i] = zipped_low(x[i], x[i + kWidth / 2]);
      zipped[2 * i + 1] = zipped_high(x[i], x[i + kWidth / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) x[i] = zipped[i];
  }
}

// Latents of the positions that are seen as keys, (key_dim, positions) float32.
template <typename Element>
void turn_latents(const KvLayout& layout, const std::byte* chunk, Seen seen, float* turned) {
  const auto* rows = reinterpret_cast<const Element*>(chunk);
  const auto* scales = reinterpret_cast<const float*>(chunk + layout.scales_at());
  const int stride = layout.row_dim();
  for (int position = seen.first / kWidth * kWidth; position < seen.last; position += kWidth) {
    for (int d = 0; d < stride; d += kWidth) {
      Lanes tile[kWidth];
      for (int i = 0; i < kWidth; ++i) tile[i] = load(rows + (position + i) * stride + d);
      transpose(tile);
      for (int i = 0; i < kWidth; ++i) {
        if constexpr (sizeof(Element) == 1) {
          tile[i] = multiply(tile[i], load(scales + (d + i < layout.value_dim ? 0 : kKvChunk) + position));
        }
        store(tile[i], turned + (d + i) * kKvChunk + position);
      }
    }
  }
}

// Scores -> weights exp(score - top), in place, and what the sums so far are to be multiplied by.
template <int kQueries>
void weigh(float (&scores)[kQueries][kKvChunk], const Seen* seen, QueryState* const* queries,
           float (&factors)[kQueries]) {
  const auto fill_unseen = [&](int q, float value) {
    for (int i = 0; i < seen[q].first; ++i) scores[q][i] = value;
    for (int i = seen[q].last; i < kKvChunk; ++i) scores[q][i] = value;
  };
  for (int q = 0; q < kQueries; ++q) {
    fill_unseen(q, -std::numeric_limits<float>::infinity());
    Lanes highest = load(scores[q]);
    for (int i = kWidth; i < kKvChunk; i += kWidth) highest = larger(load(scores[q] + i), highest);
    const float of_chunk = largest(highest);
    const float top = of_chunk > queries[q]->top ? of_chunk : queries[q]->top;
    factors[q] = queries[q]->top - top;
    queries[q]->top = top;
  }
  for (float& factor : factors) factor = exp_of_small(factor);
  for (int q = 0; q < kQueries; ++q) {
    for (float& score : scores[q]) score = exp_of_small(score - queries[q]->top);
    fill_unseen(q, 0);
    Lanes sums = load(scores[q]);
    for (int i = kWidth; i < kKvChunk; i += kWidth) sums = added(sums, load(scores[q] + i));
    queries[q]->sum = queries[q]->sum * factors[q] + total(sums);
  }
}

// values[column, column + kCount * kWidth) of each query: scaled by its factor, then one position after the other. All
// queries see the positions `shared`.
template <typename Element, int kQueries, int kCount>
void add_values(const Element* values, int stride, Seen shared, const Seen* seen,
                const float (&weights)[kQueries][kKvChunk], const float (&factors)[kQueries],
                QueryState* const* queries, int column) {
  Lanes sums[kQueries][kCount];
  for (int q = 0; q < kQueries; ++q) {
    for (int j = 0; j < kCount; ++j) {
      sums[q][j] = multiply(broadcast(factors[q]), load(queries[q]->values + column + j * kWidth));
    }
  }
  const auto add_own = [&](int q, int first, int last) {
    for (int i = first; i < last; ++i) {
      const Lanes weight = broadcast(weights[q][i]);
      for (int j = 0; j < kCount; ++j) {
        sums[q][j] = multiply_add(weight, load(values + i * stride + column + j * kWidth), sums[q][j]);
      }
    }
  };
  for (int q = 0; q < kQueries; ++q) add_own(q, seen[q].first, earlier(shared.first, seen[q].last));
  for (int i = shared.first; i < shared.last; ++i) {
    Lanes row[kCount];
    for (int j = 0; j < kCount; ++j) row[j] = load(values + i * stride + column + j * kWidth);
    for (int q = 0; q < kQueries; ++q) {
      const Lanes weight = broadcast(weights[q][i]);
      for (int j = 0; j < kCount; ++j) sums[q][j] = multiply_add(weight, row[j], sums[q][j]);
    }
  }
  for (int q = 0; q < kQueries; ++q) {
    add_own(q, later(shared.last, seen[q].first), seen[q].last);
    for (int j = 0; j < kCount; ++j) store(sums[q][j], queries[q]->values + column + j * kWidth);
  }
}

template <typename Key, typename Element, int kQueries>
void attend_tile(const KvLayout& layout, const Key* keys, const std::byte* chunk, const Seen* seen,
                 QueryState* const* queries) {
  constexpr int kCount = kQueries > 4 ? kVectors / 2 : kVectors;  // so that all sums fit the registers
  Seen any = seen[0];                                             // by at least one of them
  Seen shared = seen[0];
  for (int q = 1; q < kQueries; ++q) {
    any = {earlier(any.first, seen[q].first), later(any.last, seen[q].last)};
    shared = {later(shared.first, seen[q].first), earlier(shared.last, seen[q].last)};
  }
  if (shared.first > shared.last) shared.last = shared.first;  // none
  alignas(64) float weights[kQueries][kKvChunk];
  for (int position = any.first / (kCount * kWidth) * (kCount * kWidth); position < any.last;
       position += kCount * kWidth) {
    Lanes sums[kQueries][kCount];
    for (auto& of_query : sums) {
      for (Lanes& sum : of_query) sum = broadcast(0);
    }
    for (int d = 0; d < layout.key_dim; ++d) {
      Lanes row[kCount];
      for (int j = 0; j < kCount; ++j) row[j] = load(keys + d * kKvChunk + position + j * kWidth);
      for (int q = 0; q < kQueries; ++q) {
        const Lanes element = broadcast(queries[q]->query[d]);
        for (int j = 0; j < kCount; ++j) sums[q][j] = multiply_add(element, row[j], sums[q][j]);
      }
    }
    for (int q = 0; q < kQueries; ++q) {
      for (int j = 0; j < kCount; ++j) store(sums[q][j], weights[q] + position + j * kWidth);
    }
  }
  const auto* scales = reinterpret_cast<const float*>(chunk + layout.scales_at());
  const auto scale_by = [&](const float* scale) {
    for (int q = 0; q < kQueries; ++q) {
      for (int i = seen[q].first; i < seen[q].last; ++i) weights[q][i] *= scale[i];
    }
  };
  float factors[kQueries];
  if constexpr (sizeof(Key) == 1) scale_by(scales);
  weigh(weights, seen, queries, factors);
  if constexpr (sizeof(Element) == 1) scale_by(layout.latent ? scales : scales + kKvChunk);
  const auto* values = reinterpret_cast<const Element*>(chunk + layout.values_at());
  const int columns = layout.padded_dim();
  int column = 0;
  const auto add_columns = [&]<int kSome>() {
    for (; column + kSome * kWidth <= columns; column += kSome * kWidth) {
      add_values<Element, kQueries, kSome>(values, layout.row_dim(), shared, seen, weights, factors, queries, column);
    }
  };
  add_columns.template operator()<kCount>();
  if constexpr (kCount * kWidth > 32) add_columns.template operator()<32 / kWidth>();
  if constexpr (kCount * kWidth > 16) add_columns.template operator()<16 / kWidth>();
}

template <typename Key, typename Element>
void attend_tiles(const KvLayout& layout, const Key* keys, const std::byte* chunk, const Seen* seen,
                  QueryState* const* queries, int count) {
  if constexpr (kMostQueries == 8) {
    // A larger head would be read in twice as many pieces as with 4 queries: slow if it comes from memory.
    const bool in_one_piece = layout.padded_dim() <= kVectors / 2 * kWidth;
    for (; in_one_piece && count >= 8; count -= 8, seen += 8, queries += 8) {
      attend_tile<Key, Element, 8>(layout, keys, chunk, seen, queries);
    }
  }
  for (; count >= 4; count -= 4, seen += 4, queries += 4) {
    attend_tile<Key, Element, 4>(layout, keys, chunk, seen, queries);
  }
  if (count == 3) attend_tile<Key, Element, 3>(layout, keys, chunk, seen, queries);
  if (count == 2) attend_tile<Key, Element, 2>(layout, keys, chunk, seen, queries);
  if (count == 1) attend_tile<Key, Element, 1>(layout, keys, chunk, seen, queries);
}

template <typename Element>
void attend_elements(const KvLayout& layout, const std::byte* chunk, const Seen* seen, QueryState* const* queries,
                     int count, float* turned) {
  if (!layout.latent) {
    return attend_tiles<Element, Element>(layout, reinterpret_cast<const Element*>(chunk), chunk, seen, queries, count);
  }
  Seen any{kKvChunk, 0};
  for (int i = 0; i < count; ++i) any = {earlier(any.first, seen[i].first), later(any.last, seen[i].last)};
  turn_latents<Element>(layout, chunk, any, turned);
  attend_tiles<float, Element>(layout, turned, chunk, seen, queries, count);
}

inline void attend_chunk(const KvLayout& layout, const std::byte* chunk, const Seen* seen, QueryState* const* queries,
                         int count, float* turned) {
  if (layout.type == KvType::f32) return attend_elements<float>(layout, chunk, seen, queries, count, turned);
  if (layout.type == KvType::f16) return attend_elements<Half>(layout, chunk, seen, queries, count, turned);
  attend_elements<std::int8_t>(layout, chunk, seen, queries, count, turned);
}

inline void merge_states(const QueryState& from, int padded_dim, QueryState& into) {
  const float top = from.top > into.top ? from.top : into.top;
  const float of_into = exp_of_small(into.top - top);
  const float of_from = exp_of_small(from.top - top);
  for (int d = 0; d < padded_dim; ++d) into.values[d] = into.values[d] * of_into + from.values[d] * of_from;
  into.sum = into.sum * of_into + from.sum * of_from;
  into.top = top;
}

// NOLINTEND

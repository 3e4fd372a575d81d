// Products of panels, written once for all levels. A level defines before it includes this file:
//   what tiles.inl asks for
//   Floats, Ints                   vectors of kWidth float and int32
//   load_floats, load_words        kWidth of them
//   zeros, splat                   a vector of one float
//   plus, multiply_add             a + b, a * b + c
//   store(y, v, lanes)             the first lanes of v
//   as_floats, to_floats           of Ints: the same bits, the same numbers
//   shifted<n>, raised<n>          of Ints: right and left by n bits
//   shifted_signed<n>              of Ints: right by n bits, the sign staying where it is and filling up
//   masked, either                 of Ints: and with a word in every lane, or
//   widen_f16(words, high)         the lower or higher half of every word
//   parameters(at, dtype)          kWidth consecutive f32, f16 or bf16
//   byte_words(at)                 kWidth consecutive bytes as Ints
//   Table, table_of, looked_up     16 bytes in a register, and those that the bytes of Ints, below 16, are numbers of
//   Dot4, Dot8                     sums of products of codes (4 or 8 bits, a byte each) and int8: add(codes, x), with
//                                  four codes a lane and four x for all lanes, at most 8 times; total(less) as Floats,
//                                  less that number
//   kTile, kFloatTile              rows whose sums fit the registers
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

#include "core/kernels/tiles.inl"

constexpr std::int64_t kWord = 4;

#include "core/kernels/scales.inl"

// ---- int8 activations

// Codes of an output as the products want them, a byte each: kWords words for kQ8Group inputs, and the codes of one
// word after the other, which are of four inputs, or of the first and of the second four inputs. begin: at kQ8Group
// inputs, or half of them; returns where their words are.
struct WholeCodes {
  const std::byte* begin(const std::byte* panel, int) const { return panel; }
};

struct Nibbles : WholeCodes {
  static constexpr int kWords = 4;
  using Dot = Dot4;
  explicit Nibbles(const Panels&) {}
  Ints first(Ints word) const { return masked(word, 0x0f0f0f0f); }
  Ints second(Ints word) const { return masked(shifted<4>(word), 0x0f0f0f0f); }
};

struct LookedUp : WholeCodes {
  static constexpr int kWords = 4;
  using Dot = Dot8;
  const Table table;
  explicit LookedUp(const Panels& w) : table(table_of(w.table)) {}
  Ints first(Ints word) const { return looked_up(table, masked(word, 0x0f0f0f0f)); }
  Ints second(Ints word) const { return looked_up(table, masked(shifted<4>(word), 0x0f0f0f0f)); }
};

struct Bytes : WholeCodes {
  static constexpr int kWords = 8;
  using Dot = Dot8;
  explicit Bytes(const Panels&) {}
  Ints first(Ints word) const { return word; }
};

// Codes of 5 bits: of the upper ones, those of the next four inputs are the lowest of each byte.
struct Fives {
  static constexpr int kWords = 4;
  using Dot = Dot8;
  Ints upper;
  explicit Fives(const Panels&) {}
  const std::byte* begin(const std::byte* panel, int lane) {
    upper = load_words(panel + lane * kWord);
    return panel + kPanel * kWord;
  }
  Ints first(Ints word) { return with_upper(masked(word, 0x0f0f0f0f)); }
  Ints second(Ints word) { return with_upper(masked(shifted<4>(word), 0x0f0f0f0f)); }
  Ints with_upper(Ints lower) {
    const Ints codes = either(lower, masked(raised<4>(upper), 0x10101010));
    upper = shifted<1>(upper);
    return codes;
  }
};

// Adds the products of so many words of each output to the sums; returns where the next words are.
template <typename Codes, int kRows>
[[gnu::always_inline]] inline const std::byte* add_words(Codes& codes, int words, const std::byte* panel, int lane,
                                                         std::int64_t ahead, const std::int8_t* x,
                                                         typename Codes::Dot* sums) {
  panel = codes.begin(panel, lane);
  for (int i = 0; i < words; ++i, panel += kPanel * kWord, x += kQ8Group / Codes::kWords) {
    fetch(panel + lane * kWord, ahead);
    const Ints word = load_words(panel + lane * kWord);
    const Ints first = codes.first(word);
    for (int r = 0; r < kRows; ++r) sums[r].add(first, x + r * kQ8Group);
    if constexpr (Codes::kWords == 4) {
      const Ints second = codes.second(word);
      for (int r = 0; r < kRows; ++r) sums[r].add(second, x + r * kQ8Group + 4);
    }
  }
  return panel;
}

// Groups of whole chunks of kQ8Group inputs. x, scale (chunks, kRows), sum (groups, kRows).
template <typename Codes, typename Scales, int kRows>
[[gnu::noinline]] void multiply_chunks(const Panels& w, const std::byte* panel, int lane, const std::int8_t* x,
                                       const float* scale, const float* sum, Lanes lanes, float* y,
                                       std::int64_t y_stride) {
  Codes codes(w);
  const std::int64_t ahead = bytes_ahead(w);
  Scales group(w, lane);
  Floats totals[kRows];
  for (int r = 0; r < kRows; ++r) totals[r] = zeros();
  for (std::int64_t k = 0; k < w.in; k += w.group, sum += kRows) {
    panel = group.read(panel);
    Floats scaled[kRows];
    for (int r = 0; r < kRows; ++r) scaled[r] = zeros();
    for (std::int64_t chunk = 0; chunk < w.group; chunk += kQ8Group, x += kRows * kQ8Group, scale += kRows) {
      typename Codes::Dot sums[kRows];
      panel = add_words<Codes, kRows>(codes, Codes::kWords, panel, lane, ahead, x, sums);
      for (int r = 0; r < kRows; ++r) scaled[r] = multiply_add(sums[r].total(0), splat(scale[r]), scaled[r]);
    }
    for (int r = 0; r < kRows; ++r) {
      totals[r] = multiply_add(scaled[r], group.scale, totals[r]);
      totals[r] = multiply_add(group.bias, splat(sum[r]), totals[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) store(y + r * y_stride, totals[r], lanes);
}

// Groups of half a chunk. less (halves, kRows): the sum of a half's x, times the centre of the codes.
template <typename Codes, int kRows>
[[gnu::noinline]] void multiply_halves(const Panels& w, const std::byte* panel, int lane, const std::int8_t* x,
                                       const float* scale, const std::int32_t* less, Lanes lanes, float* y,
                                       std::int64_t y_stride) {
  Codes codes(w);
  const std::int64_t ahead = bytes_ahead(w);
  GroupScales group(w, lane);
  Floats totals[kRows];
  for (int r = 0; r < kRows; ++r) totals[r] = zeros();
  for (std::int64_t k = 0; k < w.in; k += kQ8Group, x += kRows * kQ8Group, scale += kRows) {
    Floats scaled[kRows];
    for (int r = 0; r < kRows; ++r) scaled[r] = zeros();
    for (std::int64_t half = 0; half < kQ8Group; half += w.group, less += kRows) {
      panel = group.read(panel);
      typename Codes::Dot sums[kRows];
      panel = add_words<Codes, kRows>(codes, Codes::kWords / 2, panel, lane, ahead, x + half, sums);
      for (int r = 0; r < kRows; ++r) scaled[r] = multiply_add(sums[r].total(less[r]), group.scale, scaled[r]);
    }
    for (int r = 0; r < kRows; ++r) totals[r] = multiply_add(scaled[r], splat(scale[r]), totals[r]);
  }
  for (int r = 0; r < kRows; ++r) store(y + r * y_stride, totals[r], lanes);
}

// (chunks, kRows) values of some rows, added up over each group of chunks.
template <int kRows>
inline const float* sums_of_groups(const float* x, std::int64_t chunks, std::int64_t per_group, std::int64_t stride,
                                   const int* rows, std::int64_t row, float* out) {
  if (per_group == 1) return tile_of<kRows, 1>(x, chunks, stride, rows, row, out);
  for (int r = 0; r < kRows; ++r) {
    const float* from = x + row_of(rows, row + r) * stride;
    float* to = out + r;
    for (std::int64_t chunk = 0; chunk < chunks; chunk += per_group, to += kRows) {
      *to = from[chunk];
      for (std::int64_t i = 1; i < per_group; ++i) *to += from[chunk + i];
    }
  }
  return out;
}

// (in / group, kRows) sums of x times the centre.
template <int kRows>
inline const std::int32_t* centres_of_groups(const Panels& w, const Q8Rows& x, const int* rows, std::int64_t row,
                                             std::int32_t* out) {
  const auto centre = static_cast<std::int32_t>(w.centre);
  for (int r = 0; r < kRows; ++r) {
    const std::int8_t* from = x.q + row_of(rows, row + r) * x.stride;
    std::int32_t* to = out + r;
    for (std::int64_t k = 0; k < w.in; k += w.group, to += kRows) {
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < w.group; ++i) sum += from[k + i];
      *to = centre * sum;
    }
  }
  return out;
}

template <typename Codes, typename Scales>
inline void multiply_q8_of(const Panels& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                           std::int64_t y_stride, std::byte* scratch) {
  const std::int64_t chunks = w.in / kQ8Group;
  const std::int64_t stride = x.stride / kQ8Group;
  auto* scales = reinterpret_cast<float*>(scratch);
  float* sums = scales + kTile * chunks;
  auto* q = reinterpret_cast<std::int8_t*>(sums + 2 * kTile * chunks);  // two halves of a chunk
  each_tile<kTile>(count, [&]<int kRows>(std::int64_t row) {
    const std::int8_t* tile = tile_of<kRows, kQ8Group>(x.q, w.in, x.stride, rows, row, q);
    const float* scale = tile_of<kRows, 1>(x.scale, chunks, stride, rows, row, scales);
    if (w.group < kQ8Group) {
      const std::int32_t* less = centres_of_groups<kRows>(w, x, rows, row, reinterpret_cast<std::int32_t*>(sums));
      each_part(w, y + row * y_stride, [&](const std::byte* panel, int lane, Lanes lanes, float* out) {
        multiply_halves<Codes, kRows>(w, panel, lane, tile, scale, less, lanes, out, y_stride);
      });
    } else {
      const float* sum = sums_of_groups<kRows>(x.sum, chunks, w.group / kQ8Group, stride, rows, row, sums);
      each_part(w, y + row * y_stride, [&](const std::byte* panel, int lane, Lanes lanes, float* out) {
        multiply_chunks<Codes, Scales, kRows>(w, panel, lane, tile, scale, sum, lanes, out, y_stride);
      });
    }
  });
}

inline void multiply_q8(const Panels& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                        std::int64_t y_stride, std::byte* scratch) {
  const bool affine = is_affine(w);
  auto* multiply_codes = affine ? &multiply_q8_of<Bytes, AffineScales> : &multiply_q8_of<Bytes, GroupScales>;
  if (w.kind == PanelKind::codes4) {
    multiply_codes = affine               ? &multiply_q8_of<Nibbles, AffineScales>
                     : w.table == nullptr ? &multiply_q8_of<Nibbles, GroupScales>
                                          : &multiply_q8_of<LookedUp, GroupScales>;
  } else if (w.kind == PanelKind::codes5) {
    multiply_codes = affine ? &multiply_q8_of<Fives, AffineScales> : &multiply_q8_of<Fives, GroupScales>;
  }
  multiply_codes(w, x, rows, count, y, y_stride, scratch);
}

// ---- float32 activations

constexpr int kPiece = 8;  // inputs whose weights are decoded at once

// Walks over one part of a panel: the weights of the next kPiece inputs.
struct F32Weights {
  const std::byte* at;
  F32Weights(const Panels&, const std::byte* panel, int lane) : at(panel + lane * kWord) {}
  void next(Floats* out) {
    for (int i = 0; i < kPiece; ++i) out[i] = load_floats(at + i * kPanel * kWord);
    at += kPiece * kPanel * kWord;
  }
};

template <bool kBf16>
struct HalfWeights {
  const std::byte* at;
  HalfWeights(const Panels&, const std::byte* panel, int lane) : at(panel + lane * kWord) {}
  void next(Floats* out) {
    for (int i = 0; i < kPiece; i += 2) {
      const Ints word = load_words(at);
      out[i] = kBf16 ? as_floats(raised<16>(word)) : widen_f16(word, false);
      out[i + 1] = kBf16 ? as_floats(masked(word, 0xffff0000)) : widen_f16(word, true);
      at += kPanel * kWord;
    }
  }
};

// What the kinds with scales share: `left` inputs of the group are still to come.
struct ScaledWeights {
  const std::byte* at;
  const int lane;
  const std::int64_t group;
  std::int64_t left = 0;
  GroupScales scales;
  ScaledWeights(const Panels& w, const std::byte* panel, int first_lane)
      : at(panel), lane(first_lane), group(w.group), scales(w, first_lane) {}
  void begin_piece() {
    if (left == 0) {
      at = scales.read(at);
      left = group;
    }
    left -= kPiece;
  }
  Ints next_words() {
    const Ints words = load_words(at + lane * kWord);
    at += kPanel * kWord;
    return words;
  }
};

template <typename Codes>
struct CodeWeights : ScaledWeights {
  Codes codes;
  std::int64_t left_of_chunk = 0;
  CodeWeights(const Panels& w, const std::byte* panel, int first_lane)
      : ScaledWeights(w, panel, first_lane), codes(w) {}
  void decode(Ints four, Floats* out) const {
    const auto decoded = [&](Ints code) { return multiply_add(scales.scale, to_floats(code), scales.bias); };
    out[0] = decoded(masked(four, 255));
    out[1] = decoded(masked(shifted<8>(four), 255));
    out[2] = decoded(masked(shifted<16>(four), 255));
    out[3] = decoded(shifted<24>(four));
  }
  void next(Floats* out) {
    begin_piece();
    if (left_of_chunk == 0) {
      at = codes.begin(at, lane);
      left_of_chunk = kQ8Group;
    }
    left_of_chunk -= kPiece;
    const Ints word = next_words();
    decode(codes.first(word), out);
    if constexpr (Codes::kWords == 4) {
      decode(codes.second(word), out + 4);
    } else {
      decode(codes.first(next_words()), out + 4);
    }
  }
};

struct E4m3Weights : ScaledWeights {
  using ScaledWeights::ScaledWeights;
  void next(Floats* out) {
    begin_piece();
    for (int i = 0; i < kPiece; i += 4) {
      const Ints word = next_words();
      const auto decoded = [&](Ints raised_word) {
        return multiply_add(e4m3_values(raised_word), scales.scale, zeros());
      };
      out[i] = decoded(raised<24>(word));
      out[i + 1] = decoded(raised<16>(word));
      out[i + 2] = decoded(raised<8>(word));
      out[i + 3] = decoded(word);
    }
  }
};

// x (pieces, kRows, kPiece). Four chains, so that one addition does not wait for another.
template <typename Weights, int kRows>
[[gnu::noinline]] void multiply_f32_part(const Panels& w, const std::byte* panel, int lane, const float* x, Lanes lanes,
                                         float* y, std::int64_t y_stride) {
  constexpr int kChains = 4;
  Floats sums[kRows][kChains];
  for (int r = 0; r < kRows; ++r) {
    for (int chain = 0; chain < kChains; ++chain) sums[r][chain] = zeros();
  }
  Weights weights(w, panel, lane);
  for (std::int64_t k = 0; k < w.in; k += kPiece, x += kRows * kPiece) {
    Floats part[kPiece];
    weights.next(part);
    for (int i = 0; i < kPiece; i += kChains) {
      for (int chain = 0; chain < kChains; ++chain) {
        for (int r = 0; r < kRows; ++r) {
          sums[r][chain] = multiply_add(part[i + chain], splat(x[r * kPiece + i + chain]), sums[r][chain]);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    store(y + r * y_stride, plus(plus(sums[r][0], sums[r][1]), plus(sums[r][2], sums[r][3])), lanes);
  }
}

template <typename Weights>
inline void multiply_f32_of(const Panels& w, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
                            float* y, std::int64_t y_stride, std::byte* scratch) {
  each_tile<kFloatTile>(count, [&]<int kRows>(std::int64_t row) {
    const float* tile = tile_of<kRows, kPiece>(x, w.in, x_stride, rows, row, reinterpret_cast<float*>(scratch));
    each_part(w, y + row * y_stride, [&](const std::byte* panel, int lane, Lanes lanes, float* out) {
      multiply_f32_part<Weights, kRows>(w, panel, lane, tile, lanes, out, y_stride);
    });
  });
}

inline void multiply_f32(const Panels& w, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
                         float* y, std::int64_t y_stride, std::byte* scratch) {
  auto* multiply_kind = &multiply_f32_of<F32Weights>;
  if (w.kind == PanelKind::f16) multiply_kind = &multiply_f32_of<HalfWeights<false>>;
  if (w.kind == PanelKind::bf16) multiply_kind = &multiply_f32_of<HalfWeights<true>>;
  if (w.kind == PanelKind::codes4) {
    multiply_kind = w.table ? &multiply_f32_of<CodeWeights<LookedUp>> : &multiply_f32_of<CodeWeights<Nibbles>>;
  }
  if (w.kind == PanelKind::codes5) multiply_kind = &multiply_f32_of<CodeWeights<Fives>>;
  if (w.kind == PanelKind::codes8) multiply_kind = &multiply_f32_of<CodeWeights<Bytes>>;
  if (w.kind == PanelKind::e4m3) multiply_kind = &multiply_f32_of<E4m3Weights>;
  multiply_kind(w, x, x_stride, rows, count, y, y_stride, scratch);
}

// NOLINTEND

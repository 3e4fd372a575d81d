// Products of panels, written once for all levels. A level defines before it includes this file:
//   what tiles.inl asks for
//   Floats, Ints                   vectors of kWidth float and int32
//   load_floats, load_words        kWidth of them
//   zeros, splat                   a vector of one float
//   plus, multiply_add             a + b, a * b + c
//   store(y, v, lanes)             the first lanes of v
//   as_floats, to_floats           of Ints: the same bits, the same numbers
//   shifted<n>, raised, masked     of Ints: right by n bits, left by 16 bits, and with a word in every lane
//   widen_f16(words, high)         the lower or higher half of every word
//   parameters(at, dtype)          kWidth consecutive ones
//   Dot4, Dot8                     sums of products of codes (4 or 8 bits, a byte each) and int8: add(codes, x), with
//                                  four codes a lane and four x for all lanes, at most 8 times; total() as Floats
//   kTile, kFloatTile              rows whose sums fit the registers
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

#include "core/kernels/tiles.inl"

inline std::int64_t scale_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

constexpr std::int64_t kWord = 4;

// ---- int8 activations

struct Nibbles {
  static constexpr int kWords = 4;  // words of an output in kQ8Group inputs
  using Dot = Dot4;
  template <int kRows>
  static void add(const std::byte* words, std::int64_t ahead, const std::int8_t* x, Dot* sums) {
    fetch(words, ahead);
    const Ints word = load_words(words);
    const Ints first = masked(word, 0x0f0f0f0f);
    const Ints second = masked(shifted<4>(word), 0x0f0f0f0f);
    for (int r = 0; r < kRows; ++r) sums[r].add(first, x + r * kQ8Group);
    for (int r = 0; r < kRows; ++r) sums[r].add(second, x + r * kQ8Group + 4);
  }
};

struct Bytes {
  static constexpr int kWords = 8;
  using Dot = Dot8;
  template <int kRows>
  static void add(const std::byte* words, std::int64_t ahead, const std::int8_t* x, Dot* sums) {
    fetch(words, ahead);
    const Ints word = load_words(words);
    for (int r = 0; r < kRows; ++r) sums[r].add(word, x + r * kQ8Group);
  }
};

// x, scale (chunks of kQ8Group inputs, kRows), sum (groups, kRows).
template <typename Codes, int kRows>
[[gnu::noinline]] void multiply_q8_part(const Panels& w, const std::byte* panel, int lane, const std::int8_t* x,
                                        const float* scale, const float* sum, Lanes lanes, float* y,
                                        std::int64_t y_stride) {
  constexpr int kStep = static_cast<int>(kQ8Group) / Codes::kWords;
  const std::int64_t parameter_bytes = scale_bytes(w.scale_dtype);
  const std::int64_t ahead = bytes_ahead(w);
  Floats totals[kRows];
  for (int r = 0; r < kRows; ++r) totals[r] = zeros();
  for (std::int64_t k = 0; k < w.in; k += w.group) {
    const Floats w_scale = parameters(panel + lane * parameter_bytes, w.scale_dtype);
    const Floats w_bias = parameters(panel + (kPanel + lane) * parameter_bytes, w.scale_dtype);
    panel += 2 * kPanel * parameter_bytes;
    Floats scaled[kRows];
    for (int r = 0; r < kRows; ++r) scaled[r] = zeros();
    for (std::int64_t chunk = 0; chunk < w.group; chunk += kQ8Group) {
      typename Codes::Dot sums[kRows];
      for (int i = 0; i < Codes::kWords; ++i) {
        Codes::template add<kRows>(panel + (i * kPanel + lane) * kWord, ahead, x + i * kStep, sums);
      }
      panel += Codes::kWords * kPanel * kWord;
      x += kRows * kQ8Group;
      for (int r = 0; r < kRows; ++r) scaled[r] = multiply_add(sums[r].total(), splat(scale[r]), scaled[r]);
      scale += kRows;
    }
    for (int r = 0; r < kRows; ++r) {
      totals[r] = multiply_add(scaled[r], w_scale, totals[r]);
      totals[r] = multiply_add(w_bias, splat(sum[r]), totals[r]);
    }
    sum += kRows;
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

template <typename Codes>
inline void multiply_q8_of(const Panels& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                           std::int64_t y_stride, std::byte* scratch) {
  const std::int64_t chunks = w.in / kQ8Group;
  const std::int64_t stride = x.stride / kQ8Group;
  auto* scales = reinterpret_cast<float*>(scratch);
  float* sums = scales + kTile * chunks;
  auto* q = reinterpret_cast<std::int8_t*>(sums + kTile * chunks);
  each_tile<kTile>(count, [&]<int kRows>(std::int64_t row) {
    const std::int8_t* tile = tile_of<kRows, kQ8Group>(x.q, w.in, x.stride, rows, row, q);
    const float* scale = tile_of<kRows, 1>(x.scale, chunks, stride, rows, row, scales);
    const float* sum = sums_of_groups<kRows>(x.sum, chunks, w.group / kQ8Group, stride, rows, row, sums);
    each_part(w, y + row * y_stride, [&](const std::byte* panel, int lane, Lanes lanes, float* out) {
      multiply_q8_part<Codes, kRows>(w, panel, lane, tile, scale, sum, lanes, out, y_stride);
    });
  });
}

inline void multiply_q8(const Panels& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                        std::int64_t y_stride, std::byte* scratch) {
  (w.kind == PanelKind::affine4 ? multiply_q8_of<Nibbles> : multiply_q8_of<Bytes>)(w, x, rows, count, y, y_stride,
                                                                                   scratch);
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
      out[i] = kBf16 ? as_floats(raised(word)) : widen_f16(word, false);
      out[i + 1] = kBf16 ? as_floats(masked(word, 0xffff0000)) : widen_f16(word, true);
      at += kPanel * kWord;
    }
  }
};

template <int kBits>
struct AffineWeights {
  const std::byte* at;
  const int lane;
  const DType dtype;
  const std::int64_t group;
  std::int64_t left = 0;  // inputs of the group that are still to come
  Floats scale = zeros(), bias = zeros();
  AffineWeights(const Panels& w, const std::byte* panel, int first_lane)
      : at(panel), lane(first_lane), dtype(w.scale_dtype), group(w.group) {}
  template <int kShift>
  Floats decoded(Ints word) const {
    constexpr std::uint32_t kMask = kBits == 4 ? 15 : 255;
    return multiply_add(scale, to_floats(masked(shifted<kShift>(word), kMask)), bias);
  }
  void next(Floats* out) {
    if (left == 0) {
      scale = parameters(at + lane * scale_bytes(dtype), dtype);
      bias = parameters(at + (kPanel + lane) * scale_bytes(dtype), dtype);
      at += 2 * kPanel * scale_bytes(dtype);
      left = group;
    }
    left -= kPiece;
    const Ints first = load_words(at + lane * kWord);
    const Ints second = kBits == 4 ? shifted<4>(first) : load_words(at + (kPanel + lane) * kWord);
    out[0] = decoded<0>(first), out[1] = decoded<8>(first), out[2] = decoded<16>(first), out[3] = decoded<24>(first);
    out[4] = decoded<0>(second), out[5] = decoded<8>(second), out[6] = decoded<16>(second),
    out[7] = decoded<24>(second);
    at += kBits / 4 * kPanel * kWord;
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
  if (w.kind == PanelKind::affine4) multiply_kind = &multiply_f32_of<AffineWeights<4>>;
  if (w.kind == PanelKind::affine8) multiply_kind = &multiply_f32_of<AffineWeights<8>>;
  multiply_kind(w, x, x_stride, rows, count, y, y_stride, scratch);
}

// NOLINTEND

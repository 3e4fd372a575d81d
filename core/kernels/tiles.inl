// How a product of panels walks over rows of activations and parts of panels. A level defines before it includes this:
//   kWidth                         lanes of a vector, a divisor of 16
//   Lanes, first_lanes(count)      the first lanes of a vector, at most kWidth
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

inline std::int64_t row_of(const int* rows, std::int64_t i) { return rows != nullptr ? rows[i] : i; }

// Calls work<kRows>() for rows == kRows, 1 <= rows <= kMost.
template <int kMost, typename Work>
inline void with_rows(std::int64_t rows, const Work& work) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return with_rows<kMost - 1>(rows, work);
  }
  work.template operator()<kMost>();
}

// Splits `count` rows into as few tiles as can be, alike in size.
template <int kMost, typename Work>
inline void each_tile(std::int64_t count, const Work& work) {
  for (std::int64_t row = 0, tiles = (count + kMost - 1) / kMost; tiles > 0; --tiles) {
    const std::int64_t rows = (count - row + tiles - 1) / tiles;
    with_rows<kMost>(rows, [&]<int kRows>() { work.template operator()<kRows>(row); });
    row += rows;
  }
}

// Pieces of kPiece elements of some rows side by side, (pieces, kRows, kPiece), with zeros past the end.
template <int kRows, int kPiece, typename T>
[[gnu::noinline]] const T* interleave(const T* x, std::int64_t n, std::int64_t stride, const int* rows,
                                      std::int64_t row, T* out) {
  for (int r = 0; r < kRows; ++r) {
    const T* from = x + row_of(rows, row + r) * stride;
    T* to = out + r * kPiece;
    std::int64_t k = 0;
    for (; k + kPiece <= n; k += kPiece, to += kRows * kPiece) {
      __builtin_memcpy(to, from + k, kPiece * sizeof(T));
    }
    for (int i = 0; k < n && i < kPiece; ++i) to[i] = k + i < n ? from[k + i] : T{};
  }
  return out;
}

// One row without a copy, if no zeros are to be put behind it.
template <int kRows, int kPiece, typename T>
inline const T* tile_of(const T* x, std::int64_t n, std::int64_t stride, const int* rows, std::int64_t row, T* out) {
  if (kRows == 1 && n % kPiece == 0) return x + row_of(rows, row) * stride;
  return interleave<kRows, kPiece>(x, n, stride, rows, row, out);
}

// Asks for what a product reads `ahead` bytes after `at`, if a vector is as wide as a panel: with several rows of
// arithmetic in between, a core does not look ahead far enough itself.
inline void fetch(const std::byte* at, std::int64_t ahead) {
  if constexpr (kWidth == kPanel) __builtin_prefetch(at + ahead);
}

// 4 KiB were best of 1 to 16, but small panels are often read in pieces that end before.
inline std::int64_t bytes_ahead(const Panels& w) {
  constexpr std::int64_t kMost = 4096;
  return w.panel_bytes < kMost ? w.panel_bytes : kMost;
}

// Calls multiply_part(panel, first lane, lanes, y) for every part of kWidth outputs.
template <typename Work>
inline void each_part(const Panels& w, float* y, const Work& multiply_part) {
  const std::byte* panel = w.data;
  for (std::int64_t o = 0; o < w.out; o += kPanel, panel += w.panel_bytes) {
    for (int lane = 0; lane < kPanel && o + lane < w.out; lane += kWidth) {
      const std::int64_t left = w.out - o - lane;
      multiply_part(panel, lane, first_lanes(left < kWidth ? static_cast<int>(left) : kWidth), y + o + lane);
    }
  }
}

// NOLINTEND

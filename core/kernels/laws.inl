// Sums in 16 lanes of at most kLawBlock elements, and those in float64: 150,000 weights lose nothing that matters.
// NOLINTBEGIN: included inside an anonymous namespace of each level's file, after portable.inl.

constexpr std::int64_t kLawBlock = 1024;

// write(begin, end) first makes those elements of x. Two loops, so that both are vectorised.
template <typename Write>
inline double sum_in_blocks(const float* x, std::int64_t n, const Write& write) {
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kLawBlock) {
    const std::int64_t end = n - begin < kLawBlock ? n : begin + kLawBlock;
    write(begin, end);
    float lanes[kLanes] = {};
    std::int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
    }
    for (int lane = 0; i < end; ++i, ++lane) lanes[lane] += x[i];
    total += static_cast<double>(sum_of_lanes(lanes));
  }
  return total;
}

// As integers: floats of one sign are in their order or in its reverse, and NaN is beyond infinity.
inline float largest(const float* x, std::int64_t n) {
  std::int32_t top = -0x7fffffff;
  std::uint32_t magnitude = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t bits = as_bits(x[i]);
    const std::uint32_t positive = bits & 0x7fffffffu;
    const auto order = static_cast<std::int32_t>(bits) < 0 ? -static_cast<std::int32_t>(positive)
                                                           : static_cast<std::int32_t>(positive);
    magnitude = positive > magnitude ? positive : magnitude;
    top = order > top ? order : top;
  }
  if (magnitude > 0x7f800000u) return as_float(0x7fc00000u);
  return top < 0 ? -as_float(static_cast<std::uint32_t>(-top)) : as_float(static_cast<std::uint32_t>(top));
}

inline std::int64_t position_of(const float* x, std::int64_t n, float value) {
  constexpr std::int64_t kStride = 64;
  std::int64_t i = 0;
  for (; i + kStride <= n; i += kStride) {
    int found = 0;
    for (std::int64_t j = 0; j < kStride; ++j) found |= x[i + j] == value ? 1 : 0;
    if (found != 0) break;
  }
  while (i < n && x[i] != value) ++i;
  return i;
}

inline double weigh(const float* x, std::int64_t n, float top, float inverse, float* out) {
  return sum_in_blocks(out, n, [=](std::int64_t begin, std::int64_t end) {
    const float* __restrict from = x;
    float* __restrict to = out;
    for (std::int64_t i = begin; i < end; ++i) {
      const float z = (from[i] - top) * inverse;
      to[i] = z > -85.0f ? exp_of_small(z) : 0.0f;
    }
  });
}

inline double sum(const float* x, std::int64_t n) {
  return sum_in_blocks(x, n, [](std::int64_t, std::int64_t) {});
}

inline double excess(const float* p, float of_p, const float* q, float of_q, std::int64_t n, float* out) {
  return sum_in_blocks(out, n, [=](std::int64_t begin, std::int64_t end) {
    const float* __restrict of_target = p, * __restrict of_draft = q;
    float* __restrict to = out;
    for (std::int64_t i = begin; i < end; ++i) {
      const float rest = of_p * of_target[i] - of_q * of_draft[i];
      to[i] = rest > 0.0f ? rest : 0.0f;
    }
  });
}

constexpr LawKernels kLaws{largest, position_of, weigh, sum, excess};

// NOLINTEND

// The recurrence kernels of one level: vectors as panels.inl asks for them, which comes before.
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

inline void convolve(const float* const* rows, int taps, const float* weights, std::int64_t stride, const float* bias,
                     std::int64_t first, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = bias != nullptr ? bias[first + i] : 0.0f;
  for (int tap = 0; tap < taps; ++tap) {
    const float* x = rows[tap] + first;
    const float* w = weights + tap * stride + first;
    for (std::int64_t i = 0; i < count; ++i) out[i] = fused(x[i], w[i], out[i]);
  }
  for (std::int64_t i = 0; i < count; ++i) out[i] = out[i] / (1.0f + exp_of(-out[i]));
}

inline Floats floats_at(const float* x) { return load_floats(reinterpret_cast<const std::byte*>(x)); }
inline void put(float* to, Floats x) { __builtin_memcpy(to, &x, sizeof(x)); }

// Columns [at, at + kVectors * kWidth) of a state.
template <int kVectors>
void recall_columns(const float* state, std::int64_t keys, std::int64_t padded, const float* key, float* out) {
  Floats sums[kVectors];
  for (Floats& sum : sums) sum = zeros();
  for (std::int64_t k = 0; k < keys; ++k) {
    const Floats at = splat(key[k]);
    for (int v = 0; v < kVectors; ++v) sums[v] = multiply_add(at, floats_at(state + k * padded + v * kWidth), sums[v]);
  }
  for (int v = 0; v < kVectors; ++v) put(out + v * kWidth, sums[v]);
}

template <int kVectors>
void update_columns(const float* from, std::int64_t keys, std::int64_t padded, float decay, const float* key,
                    const float* value, const float* query, float* to, float* out) {
  Floats values[kVectors], sums[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    values[v] = floats_at(value + v * kWidth);
    sums[v] = zeros();
  }
  const Floats kept = splat(decay);
  for (std::int64_t k = 0; k < keys; ++k) {
    const Floats in = splat(key[k]);
    const Floats asked = splat(query[k]);
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t at = k * padded + v * kWidth;
      const Floats x = multiply_add(in, values[v], kept * floats_at(from + at));
      put(to + at, x);
      sums[v] = multiply_add(asked, x, sums[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) put(out + v * kWidth, sums[v]);
}

constexpr int kColumnVectors = 4;

inline void recall(const float* state, std::int64_t keys, std::int64_t padded, const float* key, float* out) {
  std::int64_t at = 0;
  for (; at + kColumnVectors * kWidth <= padded; at += kColumnVectors * kWidth) {
    recall_columns<kColumnVectors>(state + at, keys, padded, key, out + at);
  }
  for (; at < padded; at += kWidth) recall_columns<1>(state + at, keys, padded, key, out + at);
}

inline void update(const float* from, std::int64_t keys, std::int64_t padded, float decay, const float* key,
                   const float* value, const float* query, float* to, float* out) {
  std::int64_t at = 0;
  for (; at + kColumnVectors * kWidth <= padded; at += kColumnVectors * kWidth) {
    update_columns<kColumnVectors>(from + at, keys, padded, decay, key, value + at, query, to + at, out + at);
  }
  for (; at < padded; at += kWidth) {
    update_columns<1>(from + at, keys, padded, decay, key, value + at, query, to + at, out + at);
  }
}

constexpr RecurrenceKernels kRecurrence{convolve, recall, update};

// NOLINTEND

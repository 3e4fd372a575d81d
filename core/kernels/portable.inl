// Loops that the compiler vectorises well, compiled once per level. Reductions run in 16 lanes that are added up in one
// fixed order.
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

constexpr int kLanes = 16;

inline float sum_of_lanes(const float* lanes) {
  using Four = float __attribute__((vector_size(16)));
  Four part[4];
  __builtin_memcpy(part, lanes, sizeof(part));
  const Four sum = (part[0] + part[2]) + (part[1] + part[3]);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

inline float as_float(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline std::uint32_t as_bits(float value) { return __builtin_bit_cast(std::uint32_t, value); }

inline float bf16_value(std::uint16_t x) { return as_float(static_cast<std::uint32_t>(x) << 16); }

inline float f16_value(std::uint16_t x) {
  const std::uint32_t sign = (x & 0x8000u) << 16;
  const std::uint32_t magnitude = x & 0x7fffu;
  const std::uint32_t finite = as_bits(as_float(magnitude << 13) * 0x1p112f);
  const std::uint32_t special = 0x7f800000u | (magnitude << 13);
  return as_float(sign | (magnitude >= 0x7c00u ? special : finite));
}

// a * b + c, rounded once where that is one instruction.
inline float fused(float a, float b, float c) {
#ifdef __FP_FAST_FMAF
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// Of x <= 88. Cephes expf: range reduction by ln 2 in two parts, a polynomial of degree 6, error below 2 ulp.
inline float exp_of_small(float x) {
  x = x < -87.0f ? -87.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer kept in the low bits
  const float shifted = fused(x, 1.44269504088896341f, kRound);
  const float n = shifted - kRound;
  const float r = fused(n, 2.12194440e-4f, fused(n, -0.693359375f, x));
  float p = 1.9875691500e-4f;
  p = fused(p, r, 1.3981999507e-3f);
  p = fused(p, r, 8.3334519073e-3f);
  p = fused(p, r, 4.1665795894e-2f);
  p = fused(p, r, 1.6666665459e-1f);
  p = fused(p, r, 5.0000001201e-1f);
  p = fused(p * r, r, r) + 1.0f;
  return p * as_float((as_bits(shifted) + 127u) << 23);
}

inline float exp_of(float x) { return exp_of_small(x > 88.0f ? 88.0f : x); }

// Eight bits for values up to a largest magnitude: x ~ step * code.
inline std::uint32_t largest_magnitude(const float* x, std::int64_t n) {
  std::uint32_t largest = 0;  // as integers, infinity is above every finite magnitude and NaN above infinity
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t magnitude = as_bits(x[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}
inline float step_of(std::uint32_t largest) { return as_float(largest) / 127.0f; }
inline float inverse_of(float step) { return step > 0 && step < 1e38f ? 1.0f / step : 0.0f; }
inline std::int32_t code_of(float x, float inverse) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23, as in exp_of_small
  return static_cast<std::int32_t>(as_bits(x * inverse + kRound) & 0x7fffffu) - 0x400000;
}

inline void quantise_group(const float* x, int length, std::int8_t* q, float* scale, float* sum) {
  const float step = step_of(largest_magnitude(x, length));
  const float inverse = inverse_of(step);
  std::int32_t total = 0;
  for (int i = 0; i < length; ++i) {
    const std::int32_t code = code_of(x[i], inverse);
    q[i] = static_cast<std::int8_t>(code);
    total += code;
  }
  *scale = step;
  *sum = step * static_cast<float>(total);
}

inline void quantise(const float* x, std::int64_t n, std::int8_t* q, float* scale, float* sum) {
  for (; n >= kQ8Group; n -= kQ8Group, x += kQ8Group, q += kQ8Group) {
    quantise_group(x, kQ8Group, q, scale++, sum++);
  }
  if (n == 0) return;
  quantise_group(x, static_cast<int>(n), q, scale, sum);
  for (std::int64_t i = n; i < kQ8Group; ++i) q[i] = 0;
}

inline float rms_norm(const float* x, const float* w, std::int64_t n, float eps, float* out) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane] * x[i + lane];
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += x[i] * x[i];
  const float mean = sum_of_lanes(lanes) / static_cast<float>(n);
  const float factor = 1.0f / __builtin_sqrtf(mean + eps);
  for (i = 0; i < n; ++i) out[i] = x[i] * factor * w[i];
  return mean;
}

inline void softmax(float* x, std::int64_t n) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = x[0];
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
  }
  float top = lanes[0];
  for (const float lane : lanes) top = lane > top ? lane : top;
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  for (i = 0; i < n; ++i) x[i] = exp_of_small(x[i] - top);
  for (float& lane : lanes) lane = 0;
  i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += x[i];
  const float inverse = 1.0f / sum_of_lanes(lanes);
  for (i = 0; i < n; ++i) x[i] *= inverse;
}

inline void sigmoid(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = 1.0f / (1.0f + exp_of(-x[i]));
}

inline void silu_times(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + exp_of(-gate[i])) * up[i];
}

inline void widen_bf16(const std::uint16_t* x, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_value(x[i]);
}

inline void widen_f16(const std::uint16_t* x, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = f16_value(x[i]);
}

inline void narrow_bf16(const float* x, std::int64_t n, std::uint16_t* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t bits = as_bits(x[i]);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const std::uint32_t not_a_number = (bits >> 16) | 0x40u;
    out[i] = static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? not_a_number : rounded);
  }
}

// NOLINTEND

// Attention on every machine: plain C++.
#include "core/kernels/attention.h"
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

constexpr int kWidth = 8;
constexpr int kVectors = 2;
constexpr int kMostQueries = 4;
struct Lanes {
  float at[kWidth];
};

template <typename Of>
Lanes each(const Of& of) {
  Lanes x;
  for (int i = 0; i < kWidth; ++i) x.at[i] = of(i);
  return x;
}

inline Lanes broadcast(float x) {
  return each([x](int) { return x; });
}
inline Lanes multiply(const Lanes& a, const Lanes& b) {
  return each([&](int i) { return a.at[i] * b.at[i]; });
}
inline Lanes multiply_add(const Lanes& a, const Lanes& b, const Lanes& sum) {
  return each([&](int i) { return a.at[i] * b.at[i] + sum.at[i]; });
}
inline Lanes added(const Lanes& a, const Lanes& b) {
  return each([&](int i) { return a.at[i] + b.at[i]; });
}
inline Lanes larger(const Lanes& a, const Lanes& b) {
  return each([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
}
inline float total(Lanes x) {
  for (int half = kWidth / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) x.at[i] += x.at[i + half];
  }
  return x.at[0];
}
inline float largest(const Lanes& x) {
  float most = x.at[0];
  for (const float value : x.at) most = value > most ? value : most;
  return most;
}
inline Lanes zipped_low(const Lanes& a, const Lanes& b) {
  return each([&](int i) { return (i % 2 == 0 ? a : b).at[i / 2]; });
}
inline Lanes zipped_high(const Lanes& a, const Lanes& b) {
  return each([&](int i) { return (i % 2 == 0 ? a : b).at[(kWidth + i) / 2]; });
}
inline void store(const Lanes& x, float* to) {
  for (int i = 0; i < kWidth; ++i) to[i] = x.at[i];
}
inline Lanes load(const float* x) {
  return each([x](int i) { return x[i]; });
}
inline Lanes load(const std::int8_t* x) {
  return each([x](int i) { return static_cast<float>(x[i]); });
}
struct Half;
inline Lanes load(const Half* x) {
  return each([x](int i) { return f16_value(reinterpret_cast<const std::uint16_t*>(x)[i]); });
}

#include "core/kernels/attention.inl"

}  // namespace

extern const AttentionKernels kGenericAttention{store_position, attend_chunk, merge_states};

}  // namespace specdec

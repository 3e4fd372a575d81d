// x86-64 with AVX2, FMA and F16C (Haswell, Zen and later).
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

float sum_of(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

float dot_row(const float* w, const float* x, std::int64_t n) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::int64_t k = 0;
  for (; k + 32 <= n; k += 32) {
    for (int j = 0; j < 4; ++j) {
      sums[j] = _mm256_fmadd_ps(_mm256_loadu_ps(w + k + 8 * j), _mm256_loadu_ps(x + k + 8 * j), sums[j]);
    }
  }
  for (; k + 8 <= n; k += 8) sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(w + k), _mm256_loadu_ps(x + k), sums[0]);
  float total = sum_of(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  for (; k < n; ++k) total += w[k] * x[k];
  return total;
}

void dot(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
         float* y, std::int64_t y_stride) {
  for (std::int64_t i = 0; i < count; ++i) y[i * y_stride] = dot_row(w, x + row_of(rows, i) * x_stride, n);
}

__m256 widen(__m128i values, DType dtype) {
  if (dtype == DType::f16) return _mm256_cvtph_ps(values);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(values), 16));
}

// Eight parameters from `first` on; those past `count` are zero.
__m256 parameters(const std::byte* values, DType dtype, std::int64_t first, std::int64_t count) {
  alignas(32) float few[8] = {};
  if (count - first < 8) {
    for (int i = 0; first + i < count; ++i) few[i] = affine_parameter(values, dtype, first + i);
    return _mm256_load_ps(few);
  }
  if (dtype == DType::f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(values) + first);
  const auto* halves = reinterpret_cast<const std::uint16_t*>(values) + first;
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)), dtype);
}

int log2_of(std::int64_t group) { return __builtin_ctzll(static_cast<unsigned long long>(group)); }

// Products of 32 codes and 32 int8 activations as eight sums of four neighbours.
__m256i dot_bytes(__m256i codes, const std::int8_t* q) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
  const __m256i low = _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes)),
                                        _mm256_cvtepi8_epi16(_mm256_castsi256_si128(x)));
  const __m256i high = _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm256_extracti128_si256(codes, 1)),
                                         _mm256_cvtepi8_epi16(_mm256_extracti128_si256(x, 1)));
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

// Eight int32 lanes from kSpan weights: each the sum over kSpan / 8 neighbours, which share one group.
struct Bytes {
  static constexpr std::int64_t kSpan = 32;
  static __m256i products(const std::uint8_t* codes, std::int64_t, std::int64_t k, const Q8Rows& x, std::int64_t at) {
    return dot_bytes(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + k)), x.q + at + k);
  }
};

struct Nibbles {
  static constexpr std::int64_t kSpan = 64;
  static __m256i products(const std::uint8_t* codes, std::int64_t in, std::int64_t k, const Q8Rows& x,
                          std::int64_t at) {
    const auto* bytes = reinterpret_cast<const __m128i*>(codes + k / 2);
    const __m128i second = k + 32 < in ? _mm_loadu_si128(bytes + 1) : _mm_setzero_si128();
    const __m256i both = _mm256_set_m128i(second, _mm_loadu_si128(bytes));
    const __m256i mask = _mm256_set1_epi8(15);
    const std::int8_t* even = x.split + at + k / kQ8Block * kQ8Block + k % kQ8Block / 2;
    // 15 * 127 * 2 fits int16 twice over: no saturation.
    const __m256i low =
        _mm256_maddubs_epi16(_mm256_and_si256(both, mask), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(even)));
    const __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(both, 4), mask),
                                              _mm256_loadu_si256(reinterpret_cast<const __m256i*>(even + 64)));
    return _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
  }
};

template <typename Codes>
float dot_affine_row(const AffineMatrix& w, std::int64_t o, const Q8Rows& x, std::int64_t row) {
  const std::uint8_t* codes = w.codes + o * w.row_bytes;
  const std::byte* scales_of_row = w.scale + o * w.scale_row_bytes;
  const std::byte* biases_of_row = w.bias + o * w.scale_row_bytes;
  const std::int64_t groups = w.in / w.group;
  const std::int64_t x_group = row * (x.stride / kQ8Group);
  const int shift = log2_of(w.group);
  const __m256i lane_offsets =
      _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(Codes::kSpan / 8));
  __m256 total = _mm256_setzero_ps();
  for (std::int64_t first = 0; first < groups; first += 8) {
    const __m256 scales = parameters(scales_of_row, w.scale_dtype, first, groups);
    const std::int64_t begin = first * w.group;
    const std::int64_t end = begin + 8 * w.group < w.in ? begin + 8 * w.group : w.in;
    for (std::int64_t k = begin; k < end; k += Codes::kSpan) {
      const __m256i lanes = _mm256_add_epi32(lane_offsets, _mm256_set1_epi32(static_cast<int>(k - begin)));
      const __m256 w_scale = _mm256_permutevar8x32_ps(scales, _mm256_srli_epi32(lanes, shift));
      const float* s = x.scale + x_group + k / kQ8Group;
      const __m256 x_scale = _mm256_set_m128(_mm_set1_ps(s[Codes::kSpan / kQ8Group - 1]), _mm_set1_ps(s[0]));
      const __m256 sums = _mm256_cvtepi32_ps(Codes::products(codes, w.in, k, x, row * x.stride));
      total = _mm256_fmadd_ps(sums, _mm256_mul_ps(w_scale, x_scale), total);
    }
  }
  float biases = 0;
  for (std::int64_t g = 0; g < w.in / kQ8Group; ++g) {
    biases += affine_parameter(biases_of_row, w.scale_dtype, g * kQ8Group / w.group) * x.sum[x_group + g];
  }
  return sum_of(total) + biases;
}

template <typename Codes>
void dot_affine(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                std::int64_t y_stride) {
  for (std::int64_t o = 0; o < w.out; ++o) {
    for (std::int64_t i = 0; i < count; ++i) y[i * y_stride + o] = dot_affine_row<Codes>(w, o, x, row_of(rows, i));
  }
}

void weighted_sum(const float* p, const float* v, std::int64_t v_stride, const int* rows, std::int64_t count,
                  std::int64_t n, float* out) {
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    __m256 sum = _mm256_loadu_ps(out + k);
    for (std::int64_t i = 0; i < count; ++i) {
      sum = _mm256_fmadd_ps(_mm256_set1_ps(p[i]), _mm256_loadu_ps(v + row_of(rows, i) * v_stride + k), sum);
    }
    _mm256_storeu_ps(out + k, sum);
  }
  for (; k < n; ++k) {
    for (std::int64_t i = 0; i < count; ++i) out[k] += p[i] * v[row_of(rows, i) * v_stride + k];
  }
}

}  // namespace

extern const Kernels kAvx2Kernels{"avx2",   dot,     dot_affine<Bytes>, dot_affine<Nibbles>, weighted_sum, quantise,
                                  rms_norm, softmax, silu_times,        widen_bf16,          widen_f16};

}  // namespace specdec
#endif

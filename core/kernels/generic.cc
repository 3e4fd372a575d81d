// The level that every machine has: plain C++.
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

#include "core/kernels/portable.inl"

void dot(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
         float* y, std::int64_t y_stride) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* row = x + row_of(rows, i) * x_stride;
    float lanes[kLanes] = {};
    std::int64_t k = 0;
    for (; k + kLanes <= n; k += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += w[k + lane] * row[k + lane];
    }
    for (int lane = 0; k < n; ++k, ++lane) lanes[lane] += w[k] * row[k];
    y[i * y_stride] = sum_of_lanes(lanes);
  }
}

// code(row, k) gives the k-th code of a row of codes.
template <typename Code>
void dot_affine(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                std::int64_t y_stride, const Code& code) {
  for (std::int64_t o = 0; o < w.out; ++o) {
    const std::uint8_t* codes = w.codes + o * w.row_bytes;
    const std::byte* scales = w.scale + o * w.scale_row_bytes;
    const std::byte* biases = w.bias + o * w.scale_row_bytes;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = row_of(rows, i);
      const std::int8_t* q = x.q + row * x.stride;
      float total = 0;
      for (std::int64_t g = 0; g < w.in / kQ8Group; ++g) {
        std::int32_t products = 0;
        for (std::int64_t k = g * kQ8Group; k < (g + 1) * kQ8Group; ++k) products += code(codes, k) * q[k];
        const std::int64_t parameter = g * kQ8Group / w.group;
        const std::int64_t scale = row * (x.stride / kQ8Group) + g;
        total += static_cast<float>(products) * (affine_parameter(scales, w.scale_dtype, parameter) * x.scale[scale]);
        total += affine_parameter(biases, w.scale_dtype, parameter) * x.sum[scale];
      }
      y[i * y_stride + o] = total;
    }
  }
}

void dot_affine8(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                 std::int64_t y_stride) {
  dot_affine(w, x, rows, count, y, y_stride,
             [](const std::uint8_t* codes, std::int64_t k) -> std::int32_t { return codes[k]; });
}

void dot_affine4(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                 std::int64_t y_stride) {
  dot_affine(w, x, rows, count, y, y_stride, [](const std::uint8_t* codes, std::int64_t k) -> std::int32_t {
    return (codes[k / 2] >> (4 * (k % 2))) & 15;
  });
}

void weighted_sum(const float* p, const float* v, std::int64_t v_stride, const int* rows, std::int64_t count,
                  std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* row = v + row_of(rows, i) * v_stride;
    for (std::int64_t k = 0; k < n; ++k) out[k] += p[i] * row[k];
  }
}

}  // namespace

extern const Kernels kGenericKernels{"generic", dot,     dot_affine8, dot_affine4, weighted_sum, quantise,
                                     rms_norm,  softmax, silu_times,  widen_bf16,  widen_f16};

}  // namespace specdec

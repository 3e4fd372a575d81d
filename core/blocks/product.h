// Matrix products of a pass: several at once, their output elements shared out over the threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/engine.h"
#include "core/quant.h"

namespace specdec {

// Memory that grows and never shrinks, so that passes of a width seen before allocate nothing. Contents are undefined
// after growing.
template <typename T>
class Buffer {
 public:
  T* get(std::int64_t size) {
    if (size > size_) {
      data_ = std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(size));
      size_ = size;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<T[]> data_;
  std::int64_t size_ = 0;
};

// Where a set of activation rows keeps its other forms.
struct ActivationBuffer {
  Buffer<std::int8_t> q;
  Buffer<float> scale, sum;
  Buffer<std::uint16_t> bf16;
};

// x (rows, in) as the products want it: in int8 and bf16, too, if the engine quantises.
Activations activate(const Engine& engine, const float* x, std::int64_t rows, std::int64_t in,
                     ActivationBuffer& buffer);

// y[i * y_stride + o] = x_i . W_o for all rows o of W and the selected rows i of x.
struct Product {
  const Weight* weight = nullptr;
  Activations x;
  const int* rows = nullptr;  // null: rows 0, 1, …
  std::int64_t count = 0;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  std::int64_t first_task = 0;  // set by multiply
};

void multiply(const Engine& engine, std::span<Product> products);

// Adds a bias to each of `count` rows of its size; nothing if it is empty.
void add_bias(float* rows, std::int64_t count, const std::vector<float>& bias);

}  // namespace specdec

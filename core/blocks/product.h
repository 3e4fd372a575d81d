// Matrix products of a pass: several at once, their output elements shared out over the threads.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "core/engine.h"
#include "core/panel_store.h"
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
  T* data() const { return data_.get(); }
  std::int64_t bytes() const { return size_ * static_cast<std::int64_t>(sizeof(T)); }

 private:
  std::unique_ptr<T[]> data_;
  std::int64_t size_ = 0;
};

std::int64_t bytes_of(const auto&... buffers) { return (buffers.bytes() + ...); }

// Where a set of activation rows keeps its other forms.
struct ActivationBuffer {
  Buffer<std::int8_t> q;
  Buffer<float> scale, sum;
  Buffer<std::uint16_t> bf16;

  std::int64_t bytes() const { return bytes_of(q, scale, sum, bf16); }
};

// x (rows, in) as the products want it: in int8 and bf16, too, if the engine quantises.
Activations activate(const Engine& engine, const float* x, std::int64_t rows, std::int64_t in,
                     ActivationBuffer& buffer);

// The same in parts, by several threads: first the room, then elements [first, first + count) of each row, where first
// is a multiple of kQ8Group and count too or the rest.
void make_room(const Engine& engine, std::int64_t rows, std::int64_t in, ActivationBuffer& buffer);
void activate_part(const Engine& engine, const float* x, std::int64_t row, std::int64_t in, std::int64_t first,
                   std::int64_t count, ActivationBuffer& buffer);
Activations activations_in(const Engine& engine, const float* x, std::int64_t in, ActivationBuffer& buffer);

// Below this many multiplications the calling thread is done before the others have woken.
inline constexpr std::int64_t kLeastProducts = 1 << 17;

// y[i * y_stride + o] = x_i . W_o for all rows o of W and the selected rows i of x.
struct Product {
  const Weight* weight = nullptr;
  Activations x;
  const int* rows = nullptr;  // null: rows 0, 1, …
  std::int64_t count = 0;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  std::int64_t first_task = 0, task_outputs = 0;  // set by plan
};

void multiply(const Engine& engine, std::span<Product> products);

// The same in tasks, for a phase among others: how many there are, and one of them.
std::int64_t plan(const Engine& engine, std::span<Product> products);
void run_task(const Engine& engine, std::span<const Product> products, std::int64_t task);
std::int64_t work_of(std::span<const Product> products);  // multiplications

// Which of several, in the order of their first_task, a task belongs to.
template <typename Owner>
const Owner& owner_of_task(std::span<const Owner> owners, std::int64_t task) {
  return *std::prev(std::ranges::upper_bound(owners, task, {}, &Owner::first_task));
}

// Outputs of a task, a multiple of kPanel, in a phase that reads so many bytes, panel_bytes for kPanel outputs.
std::int64_t outputs_of_task(std::int64_t panel_bytes, std::int64_t bytes, int threads);

// x (rows, W.out) += W y + bias, where y (rows, W.in) is yet to be made: first activate every row of it, on any thread,
// then run every task.
class AddProduct {
 public:
  AddProduct(const Engine& engine, const Weight& weight, const std::vector<float>& bias, std::int64_t rows,
             const float* y, ActivationBuffer& buffer, float* x);
  void activate(std::int64_t row) const;
  // All rows in tasks of several: before(row), then activate(row).
  std::int64_t row_tasks() const { return (rows_ + kRowsOfTask - 1) / kRowsOfTask; }
  template <typename Before>
  void activate_rows(std::int64_t task, const Before& before) const {
    for (std::int64_t row = task * kRowsOfTask; row < std::min((task + 1) * kRowsOfTask, rows_); ++row) {
      before(row);
      activate(row);
    }
  }
  std::int64_t tasks() const { return (weight_.out + columns_ - 1) / columns_; }
  void run(std::int64_t task) const;
  std::int64_t work() const { return rows_ * weight_.in * weight_.out; }  // multiplications

 private:
  static constexpr std::int64_t kRowsOfTask = 16;

  const Engine& engine_;
  const Weight& weight_;
  const std::vector<float>& bias_;
  std::int64_t rows_;
  const float* y_;
  ActivationBuffer& buffer_;
  std::int64_t columns_;
  float* x_;
};

// x(0 … count) += bias(first … first + count); nothing if it is empty.
void add_bias(const std::vector<float>& bias, std::int64_t first, std::int64_t count, float* x);

}  // namespace specdec

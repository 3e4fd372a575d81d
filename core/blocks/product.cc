#include "core/blocks/product.h"

#include <algorithm>

#include "core/pool.h"

namespace specdec {
namespace {

std::int64_t groups_of(std::int64_t in) { return (in + kQ8Group - 1) / kQ8Group; }

}  // namespace

Activations activations_in(const Engine& engine, const float* x, std::int64_t in, ActivationBuffer& buffer) {
  Activations activations{.x = x, .stride = in, .q8 = std::nullopt};
  if (!engine.quantises_activations()) return activations;
  activations.q8 = Q8Rows{
      .q = buffer.q.data(), .scale = buffer.scale.data(), .sum = buffer.sum.data(), .stride = groups_of(in) * kQ8Group};
  if (engine.kernels().multiply_bf16 != nullptr) activations.bf16 = buffer.bf16.data();
  return activations;
}

void make_room(const Engine& engine, std::int64_t rows, std::int64_t in, ActivationBuffer& buffer) {
  if (!engine.quantises_activations()) return;
  const std::int64_t groups = groups_of(in);
  buffer.q.get(rows * groups * kQ8Group);
  buffer.scale.get(rows * groups);
  buffer.sum.get(rows * groups);
  if (engine.kernels().multiply_bf16 != nullptr) buffer.bf16.get(rows * in);
}

void activate_part(const Engine& engine, const float* x, std::int64_t row, std::int64_t in, std::int64_t first,
                   std::int64_t count, ActivationBuffer& buffer) {
  if (!engine.quantises_activations()) return;
  const Kernels& kernels = engine.kernels();
  const std::int64_t group = row * groups_of(in) + first / kQ8Group;
  const float* from = x + row * in + first;
  kernels.quantise(from, count, buffer.q.data() + group * kQ8Group, buffer.scale.data() + group,
                   buffer.sum.data() + group);
  if (kernels.multiply_bf16 != nullptr) kernels.narrow_bf16(from, count, buffer.bf16.data() + row * in + first);
}

Activations activate(const Engine& engine, const float* x, std::int64_t rows, std::int64_t in,
                     ActivationBuffer& buffer) {
  make_room(engine, rows, in, buffer);
  constexpr std::int64_t kLeastElements = 8192;
  engine.pool().for_each_if_worth(rows * in, kLeastElements, rows,
                                  [&](std::int64_t row) { activate_part(engine, x, row, in, 0, in, buffer); });
  return activations_in(engine, x, in, buffer);
}

std::int64_t outputs_of_task(std::int64_t panel_bytes, std::int64_t bytes, int threads) {
  // Worth a thread's trip to the shared counter and putting the activations in order, and no more than stays in the L2
  // cache for all rows.
  constexpr std::int64_t kFewestTaskBytes = 32 << 10;
  constexpr std::int64_t kMostTaskBytes = 256 << 10;
  constexpr std::int64_t kTasksPerThread = 4;
  const std::int64_t task_bytes = std::clamp(bytes / (threads * kTasksPerThread), kFewestTaskBytes, kMostTaskBytes);
  return kPanel * std::max<std::int64_t>(1, task_bytes / panel_bytes);
}

std::int64_t plan(const Engine& engine, std::span<Product> products) {
  std::int64_t bytes = 0;
  for (const Product& product : products) bytes += packed_bytes(*product.weight);
  std::int64_t tasks = 0;
  for (Product& product : products) {
    product.first_task = tasks;
    product.task_outputs = outputs_of_task(product.weight->panels.panel_bytes, bytes, engine.threads());
    tasks += (product.weight->out + product.task_outputs - 1) / product.task_outputs;
  }
  return tasks;
}

void run_task(const Engine& engine, std::span<const Product> products, std::int64_t task) {
  const Product& product = owner_of_task(products, task);
  const Weight& weight = *product.weight;
  const std::int64_t first = (task - product.first_task) * product.task_outputs;
  const std::int64_t last = std::min(first + product.task_outputs, weight.out);
  multiply_panels(weight, first, last, product.x, product.rows, product.count, product.y + first, product.y_stride,
                  engine.kernels());
}

std::int64_t work_of(std::span<const Product> products) {
  std::int64_t work = 0;
  for (const Product& product : products) work += product.weight->out * product.weight->in * product.count;
  return work;
}

void multiply(const Engine& engine, std::span<Product> products) {
  engine.pool().for_each_if_worth(work_of(products), kLeastProducts, plan(engine, products),
                                  [&](std::int64_t task) { run_task(engine, products, task); });
}

void add_bias(const std::vector<float>& bias, std::int64_t first, std::int64_t count, float* x) {
  if (bias.empty()) return;
  for (std::int64_t i = 0; i < count; ++i) x[i] += bias[static_cast<std::size_t>(first + i)];
}

AddProduct::AddProduct(const Engine& engine, const Weight& weight, const std::vector<float>& bias, std::int64_t rows,
                       const float* y, ActivationBuffer& buffer, float* x)
    : engine_(engine),
      weight_(weight),
      bias_(bias),
      rows_(rows),
      y_(y),
      buffer_(buffer),
      columns_(outputs_of_task(weight.panels.panel_bytes, packed_bytes(weight), engine.threads())),
      x_(x) {
  make_room(engine, rows, weight.in, buffer);
}

void AddProduct::activate(std::int64_t row) const {
  activate_part(engine_, y_, row, weight_.in, 0, weight_.in, buffer_);
}

void AddProduct::run(std::int64_t task) const {
  const std::int64_t first = task * columns_;
  const std::int64_t last = std::min(first + columns_, weight_.out);
  thread_local Buffer<float> part_buffer;
  float* part = part_buffer.get(rows_ * columns_);
  multiply_panels(weight_, first, last, activations_in(engine_, y_, weight_.in, buffer_), nullptr, rows_, part,
                  columns_, engine_.kernels());
  for (std::int64_t row = 0; row < rows_; ++row) {
    add_bias(bias_, first, last - first, part + row * columns_);
    for (std::int64_t k = first; k < last; ++k) x_[row * weight_.out + k] += part[row * columns_ + k - first];
  }
}

}  // namespace specdec

#include "core/blocks/product.h"

#include <algorithm>

#include "core/pool.h"

namespace specdec {
namespace {

// Bytes of weights in one task: worth a thread's trip to the shared counter and putting the activations in order, and
// no more than stays in the L2 cache for all rows.
constexpr std::int64_t kFewestTaskBytes = 16 << 10;
constexpr std::int64_t kMostTaskBytes = 256 << 10;
constexpr std::int64_t kTasksPerThread = 4;
// Below this many multiplications the calling thread is done before the others have woken.
constexpr std::int64_t kLeastProducts = 1 << 17;

}  // namespace

Activations activate(const Engine& engine, const float* x, std::int64_t rows, std::int64_t in,
                     ActivationBuffer& buffer) {
  Activations activations{.x = x, .stride = in, .q8 = std::nullopt};
  if (!engine.quantises_activations()) return activations;
  const Kernels& kernels = engine.kernels();
  const std::int64_t groups = (in + kQ8Group - 1) / kQ8Group;
  const std::int64_t stride = groups * kQ8Group;
  std::int8_t* q = buffer.q.get(rows * stride);
  float* scale = buffer.scale.get(rows * groups);
  float* sum = buffer.sum.get(rows * groups);
  std::uint16_t* bf16 = kernels.multiply_bf16 != nullptr ? buffer.bf16.get(rows * in) : nullptr;
  const auto quantise = [&](std::int64_t row) {
    kernels.quantise(x + row * in, in, q + row * stride, scale + row * groups, sum + row * groups);
    if (bf16 != nullptr) kernels.narrow_bf16(x + row * in, in, bf16 + row * in);
  };
  constexpr std::int64_t kLeastElements = 8192;
  engine.pool().for_each_if_worth(rows * in, kLeastElements, rows, quantise);
  activations.q8 = Q8Rows{.q = q, .scale = scale, .sum = sum, .stride = stride};
  activations.bf16 = bf16;
  return activations;
}

void multiply(const Engine& engine, std::span<Product> products) {
  std::int64_t bytes = 0;
  std::int64_t work = 0;
  for (const Product& product : products) {
    bytes += panels_of(product.weight->out) * product.weight->panels.panel_bytes;
    work += product.weight->out * product.weight->in * product.count;
  }
  const std::int64_t task_bytes =
      std::clamp(bytes / (engine.threads() * kTasksPerThread), kFewestTaskBytes, kMostTaskBytes);
  const auto rows_of_task = [&](const Weight& weight) {
    return kPanel * std::max<std::int64_t>(1, task_bytes / weight.panels.panel_bytes);
  };
  std::int64_t tasks = 0;
  for (Product& product : products) {
    product.first_task = tasks;
    const std::int64_t rows = rows_of_task(*product.weight);
    tasks += (product.weight->out + rows - 1) / rows;
  }
  const auto run = [&](std::int64_t task) {
    const auto after = std::upper_bound(products.begin(), products.end(), task,
                                        [](std::int64_t t, const Product& product) { return t < product.first_task; });
    const Product& product = *(after - 1);
    const Weight& weight = *product.weight;
    const std::int64_t rows = rows_of_task(weight);
    const std::int64_t first = (task - product.first_task) * rows;
    const std::int64_t last = std::min(first + rows, weight.out);
    weight.format->multiply(weight, first, last, product.x, product.rows, product.count, product.y + first,
                            product.y_stride, engine.kernels());
  };
  engine.pool().for_each_if_worth(work, kLeastProducts, tasks, run);
}

void add_bias(float* rows, std::int64_t count, const std::vector<float>& bias) {
  for (std::int64_t row = 0; row < count; ++row) {
    for (const float value : bias) *rows++ += value;
  }
}

}  // namespace specdec

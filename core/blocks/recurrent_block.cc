#include "core/blocks/recurrent_block.h"

#include <array>
#include <cmath>

#include "core/blocks/product.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {

bool is_mlx_convolution(const StoredTensor& weight) {
  return weight.name.ends_with(".conv1d.weight") && weight.shape.size() == 3 && weight.shape[1] > 1 &&
         weight.shape[2] == 1;
}

void RecurrentBlock::load_common(WeightFile& file, const std::string& path, bool conv_biased) {
  const auto taps = static_cast<std::int64_t>(shape_.taps);
  const std::string name = path + ".conv1d.weight";
  const StoredTensor* stored = file.peek(name);
  const bool of_mlx = stored != nullptr && is_mlx_convolution(*stored);
  const std::vector<float> conv =
      of_mlx ? file.floats(name, {shape_.channels, taps, 1}) : file.floats(name, {shape_.channels, 1, taps});
  weights_.conv.resize(conv.size());
  for (std::int64_t i = 0; i < std::ssize(conv); ++i) {
    weights_.conv[static_cast<std::size_t>(i % taps * shape_.channels + i / taps)] = conv[static_cast<std::size_t>(i)];
  }
  if (conv_biased) weights_.conv_bias = file.vector(path + ".conv1d.bias", shape_.channels);
  weights_.rate = file.vector(path + ".A_log", shape_.heads);
  for (float& rate : weights_.rate) rate = std::exp(rate);
  weights_.dt_bias = file.vector(path + ".dt_bias", shape_.heads);
}

std::unique_ptr<LayerCache> RecurrentBlock::new_cache(const Engine& engine, int) const {
  return std::make_unique<RecurrentCache>(engine, *this);
}

void RecurrentBlock::convolve(const Engine& engine, const RecurrentStep& step, std::int64_t first, std::int64_t count,
                              float* out) const {
  engine.kernels().recurrence->convolve(step.rows, shape_.taps, weights_.conv.data(), shape_.channels,
                                        weights_.conv_bias.empty() ? nullptr : weights_.conv_bias.data(), first, count,
                                        out);
}

float RecurrentBlock::softplus_of(int head, float dt) const {
  const float x = dt + weights_.dt_bias[static_cast<std::size_t>(head)];
  constexpr float kLinear = 20;  // from here on log(1 + exp(x)) is x in float32
  return x > kLinear ? x : std::log1p(std::exp(x));
}

void RecurrentBlock::add(const Pass& pass, int layer, const float* normed, float* x) const {
  const Engine& engine = pass.engine;
  auto& scratch = pass.scratch<MixerScratch>();
  const std::int64_t count = pass.count();
  const std::int64_t values = shape_.values_of_row();
  auto& cache = static_cast<RecurrentCache&>(*pass.state.cache(layer));
  cache.append(pass.state.parents(), count);

  std::int64_t width = 0;
  for (const Weight& weight : weights_.in) width += weight.out;
  float* products = scratch.query.get(count * width);
  float* y = scratch.attended.get(count * values);
  const Activations read = activate(engine, normed, count, weights_.out.out, pass.buffers().activations);
  std::array<Product, 4> all;
  std::int64_t at = 0;
  for (std::size_t i = 0; i < weights_.in.size(); ++i) {
    all[i] = {&weights_.in[i], read, nullptr, count, products + at, width};
    at += weights_.in[i].out;
  }
  const std::span<Product> projections(all.data(), weights_.in.size());
  const std::int64_t product_tasks = plan(engine, projections);
  const AddProduct output(engine, weights_.out, weights_.out_bias, count, y, scratch.attended_activations, x);

  const int first_slot = pass.state.pending() - static_cast<int>(count);
  const auto multiply_in = [&](std::int64_t task) { run_task(engine, projections, task); };
  const auto read_inputs = [&](std::int64_t row) {
    add_bias(weights_.in_bias, 0, std::ssize(weights_.in_bias), products + row * width);
    read_row(products + row * width, cache.inputs(first_slot + static_cast<int>(row)));
  };
  const auto step = [&](std::int64_t task) { cache.run(task, y); };
  const auto finish = [&](std::int64_t row) {
    finish_row(engine, products + row * width, y + row * values);
    output.activate(row);
  };
  const auto add_columns = [&](std::int64_t task) { output.run(task); };
  engine.pool().run_if_worth(
      work_of(projections) + cache.work() + output.work(), kLeastProducts,
      std::array{Phase(product_tasks, multiply_in), Phase(count, read_inputs), Phase(cache.tasks(), step),
                 Phase(count, finish), Phase(output.tasks(), add_columns)});
  engine.lap(part_);
}

}  // namespace specdec

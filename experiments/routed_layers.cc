#include "experiments/routed_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/pool.h"
#include "experiments/machine.h"
#include "experiments/random_weights.h"

namespace specdec {
namespace {

std::string path_of(int layer) { return fmt::format("layers.{}.mlp", layer); }

}  // namespace

MoeSpec RandomExperts::spec() const {
  return {.experts = stored_,
          .experts_per_token = shape_.experts_per_token,
          .width = shape_.width,
          .activation = shape_.gated ? Activation::silu : Activation::relu2};
}

RandomExperts::RandomExperts(const RoutedShape& shape, int stored, int layers, const Encoding& format,
                             const std::filesystem::path& directory, std::uint64_t seed, Pool& pool)
    : shape_(shape), stored_(stored), layers_(layers), made_(directory / "specdec-probe") {
  constexpr std::int64_t kShard = 4'000'000'000;
  RandomWeights random(format, find_encoding("bf16"));
  Engine engine({.threads = 1});
  WeightFile planned(made_.path(), random);
  ExpertStore store(planned, engine);
  for (int layer = 0; layer < layers; ++layer) load_moe(planned, store, layer, path_of(layer), spec(), shape.hidden);
  made_.expect_room(random.bytes());
  random.write(made_.path(), seed, kShard, pool);
}

std::int64_t stored_expert_bytes(const RoutedShape& shape, const Encoding& format) {
  return (shape.gated ? 2 : 1) * shape.width * format.row_bytes(shape.hidden, DType::bf16) +
         shape.hidden * format.row_bytes(shape.width, DType::bf16);
}

RoutedLayers::RoutedLayers(const RandomExperts& files, int most_rows, Engine& engine)
    : engine_(engine),
      spec_(files.spec()),
      hidden_(files.shape().hidden),
      file_(files.path(), &engine.pool()),
      store_(file_, engine) {
  moes_.resize(static_cast<std::size_t>(files.layers()));
  for (int layer = 0; layer < files.layers(); ++layer) {
    moes_[static_cast<std::size_t>(layer)] = load_moe(file_, store_, layer, path_of(layer), spec_, hidden_);
  }
  store_.settle(std::min(spec_.experts, most_rows * spec_.experts_per_token));
  const auto values = static_cast<std::size_t>(most_rows) * static_cast<std::size_t>(hidden_);
  rows_.resize(values);
  sums_.resize(values);
  const Rng rng(1);
  for (std::size_t i = 0; i < values; ++i) rows_[i] = static_cast<float>(std::sqrt(12) * (rng.uniform(i) - 0.5));
  weights_.assign(static_cast<std::size_t>(most_rows * spec_.experts_per_token),
                  1 / static_cast<float>(spec_.experts_per_token));
}

double RoutedLayers::apply(int layer, std::span<const int> chosen, int rows) {
  SPECDEC_ASSERT(std::ssize(chosen) == rows * spec_.experts_per_token);
  buffers_.routed.clear();
  std::fill_n(sums_.begin(), static_cast<std::ptrdiff_t>(rows) * hidden_, 0.0f);
  const Routes routes{chosen.data(), weights_.data()};
  const auto begin = std::chrono::steady_clock::now();
  apply_experts(engine_, spec_, moes_[static_cast<std::size_t>(layer)], layer, routes, rows_.data(), rows, hidden_,
                buffers_, sums_.data());
  return seconds_since(begin);
}

}  // namespace specdec

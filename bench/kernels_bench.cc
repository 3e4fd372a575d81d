// What the products of packed weights cost, by format and rows at once: on matrices larger than any cache, with all
// cores, beside a plain read of as many bytes; and on one that the second-level cache holds, with one thread.
//   ./dev bench                       bytes_per_second: of packed weights; items_per_second: multiplications
//   build/release/kernels_bench --benchmark_enable_random_interleaving --benchmark_repetitions=5
#include <benchmark/benchmark.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/blocks/product.h"
#include "core/error.h"
#include "core/panel_store.h"
#include "core/pool.h"
#include "experiments/machine.h"

namespace specdec {
namespace {

constexpr std::int64_t kIn = 2048;
constexpr std::int64_t kLarge = 192 << 20;  // bytes, several times the last-level cache
constexpr std::int64_t kCached = 512 << 10;

struct Format {
  const char* name;
  const char* format;
  int bits, group;
};
constexpr Format kFormats[]{{"affine4_g32", "affine", 4, 32}, {"affine4_g64", "affine", 4, 64},
                            {"affine8_g32", "affine", 8, 32}, {"affine8_g64", "affine", 8, 64},
                            {"bf16", "bf16", 16, 0},          {"f32", "f32", 32, 0}};

// Numbers of the size of one in each of the floating-point types: subnormal ones would be slower than real weights.
std::vector<std::byte> some_bytes(std::int64_t size) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  std::uint32_t state = 1;
  for (std::size_t i = 0; i + 2 <= bytes.size(); i += 2) {
    state = state * 1664525u + 1013904223u;
    const auto half = static_cast<std::uint16_t>(0x3c00u | (state >> 22));
    std::memcpy(bytes.data() + i, &half, 2);
  }
  return bytes;
}

// A matrix of about `size` bytes, stored and packed. Its scales and biases are the first of its codes.
class Matrix {
 public:
  Matrix(const Format& format, std::int64_t size, Pool& pool) {
    for (const QuantFormat& known : quant_formats()) {
      if (known.name == format.format) weight_.format = &known;
    }
    weight_.in = kIn;
    weight_.bits = format.bits;
    weight_.group = format.group;
    const std::int64_t row_bytes = kIn * format.bits / 8;
    const std::int64_t scale_bytes = format.group > 0 ? kIn / format.group * 2 : 0;
    weight_.out = size / (row_bytes + 2 * scale_bytes) / kPanel * kPanel;
    stored_ = some_bytes(weight_.out * row_bytes);
    weight_.values = {stored_.data(), row_bytes};
    if (format.group > 0) weight_.scales = weight_.biases = {stored_.data(), scale_bytes};
    pack_again(pool);
  }
  void pack_again(Pool& pool) { store_.emplace().pack(weight_, weight_.out, &pool); }
  const Weight& weight() const { return weight_; }

 private:
  Weight weight_;
  std::vector<std::byte> stored_;
  std::optional<PanelStore> store_;
};

void read_memory(benchmark::State& state) {
  constexpr double kPatience_s = 0.5;
  const Engine engine({});
  for (auto _ : state) {
    state.SetIterationTime(static_cast<double>(kLarge) / measure_read_bytes_per_s(engine.pool(), kLarge, kPatience_s));
  }
  state.SetBytesProcessed(state.iterations() * kLarge);
}

void product(benchmark::State& state, const Format& format, const EngineOptions& options, std::int64_t size) {
  const Engine engine(options);
  const Matrix matrix(format, size, engine.pool());
  const std::int64_t rows = state.range(0);
  std::vector<float> x(static_cast<std::size_t>(rows * kIn));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 31) - 15;
  std::vector<float> y(static_cast<std::size_t>(rows * matrix.weight().out));
  ActivationBuffer buffer;
  Product product{&matrix.weight(),   activate(engine, x.data(), rows, kIn, buffer), nullptr, rows, y.data(),
                  matrix.weight().out};
  for (auto _ : state) multiply(engine, {&product, 1});
  const std::int64_t panels = panels_of(matrix.weight().out);
  state.SetBytesProcessed(state.iterations() * panels * matrix.weight().panels.panel_bytes);
  state.SetItemsProcessed(state.iterations() * matrix.weight().out * kIn * rows);
}

void pack(benchmark::State& state, const Format& format) {
  const Engine engine({});
  Matrix matrix(format, kLarge, engine.pool());
  for (auto _ : state) matrix.pack_again(engine.pool());
  state.SetBytesProcessed(state.iterations() * kLarge);
}

void register_all() {
  const std::vector<std::int64_t> rows{1, 2, 3, 4, 8, 16};
  benchmark::RegisterBenchmark("read_memory", read_memory)->UseManualTime()->Iterations(1);
  for (const Format& format : kFormats) {
    const std::string name = format.name;
    benchmark::RegisterBenchmark(("large/" + name).c_str(), product, format, EngineOptions{}, kLarge)
        ->MeasureProcessCPUTime()
        ->UseRealTime()
        ->ArgName("rows")
        ->ArgsProduct({rows});
    for (const std::string_view level : cpu_levels()) {
      const EngineOptions options{.threads = 1, .cpu = std::string(level)};
      benchmark::RegisterBenchmark(fmt::format("cached/{}/{}", level, name).c_str(), product, format, options, kCached)
          ->ArgName("rows")
          ->ArgsProduct({rows})
          ->Arg(512);
    }
    benchmark::RegisterBenchmark(("pack/" + name).c_str(), pack, format)->UseRealTime();
  }
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  specdec::register_all();
  benchmark::RunSpecifiedBenchmarks();
}

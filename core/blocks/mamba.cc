#include "core/blocks/mamba.h"

#include <algorithm>
#include <cmath>

#include "core/blocks/product.h"
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

RecurrentShape shape_of(const MambaSpec& spec) {
  return {.heads = spec.heads,
          .sharing = spec.heads / spec.groups,
          .keys = spec.state,
          .values = spec.head_dim,
          .channels = spec.convolved(),
          .taps = spec.taps};
}

}  // namespace

Mamba::Mamba(WeightFile& file, const std::string& path, const MambaSpec& spec, int hidden)
    : RecurrentBlock(Part::mamba, shape_of(spec)), spec_(spec) {
  const std::int64_t width = spec.inner() + spec.convolved() + spec.heads;
  weights_.in.push_back(file.linear(path + ".in_proj", {width, hidden}));
  weights_.out = file.linear(path + ".out_proj", {hidden, spec.inner()});
  if (spec.biased) {
    weights_.in_bias = file.vector(path + ".in_proj.bias", width);
    weights_.out_bias = file.vector(path + ".out_proj.bias", hidden);
  }
  load_common(file, path, spec.conv_biased);
  weights_.norm = file.vector(path + ".norm.weight", spec.inner());
  skip_ = file.vector(path + ".D", spec.heads);
}

// Products are z | x | B | C | dt.
void Mamba::read_row(float* products, float* inputs) const {
  std::copy_n(products + spec_.inner(), spec_.convolved(), inputs);
  const float* dt = products + spec_.inner() + spec_.convolved();
  float* decays = inputs + spec_.convolved();
  float* rates = decays + spec_.heads;
  for (int head = 0; head < spec_.heads; ++head) {
    rates[head] = std::clamp(softplus_of(head, dt[head]), spec_.least_step, spec_.most_step);
    decays[head] = std::exp(-weights_.rate[static_cast<std::size_t>(head)] * rates[head]);
  }
}

void Mamba::step(const Engine& engine, const RecurrentStep& step) const {
  thread_local Buffer<float> buffer;
  const std::int64_t dim = spec_.head_dim;
  const std::int64_t padded = padded_values(dim);
  const std::int64_t keys = spec_.state;
  float* x = buffer.get(step.count * dim + 2 * keys + 2 * padded);
  float* b = x + step.count * dim;
  float* c = b + keys;
  float* value = c + keys;
  float* said = value + padded;
  const std::int64_t group = step.first / shape_.sharing;
  convolve(engine, step, step.first * dim, step.count * dim, x);
  convolve(engine, step, spec_.inner() + group * keys, keys, b);
  convolve(engine, step, spec_.inner() + (spec_.groups + group) * keys, keys, c);
  std::fill_n(value, padded, 0.0f);
  for (int i = 0; i < step.count; ++i) {
    const int head = step.first + i;
    for (std::int64_t v = 0; v < dim; ++v) value[v] = step.rates[head] * x[i * dim + v];
    const std::int64_t at = i * shape_.state_floats();
    engine.kernels().recurrence->update(step.from + at, keys, padded, step.decays[head], b, value, c, step.to + at,
                                        said);
    if (step.out == nullptr) continue;
    const float skip = skip_[static_cast<std::size_t>(head)];
    for (std::int64_t v = 0; v < dim; ++v) step.out[head * dim + v] = said[v] + skip * x[i * dim + v];
  }
}

void Mamba::finish_row(const Engine& engine, const float* products, float* y) const {
  engine.kernels().silu_times(products, y, spec_.inner(), y);
  const std::int64_t size = spec_.inner() / spec_.groups;
  for (std::int64_t at = 0; at < spec_.inner(); at += size) {
    engine.kernels().rms_norm(y + at, weights_.norm.data() + at, size, spec_.eps, y + at);
  }
}

}  // namespace specdec

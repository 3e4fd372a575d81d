#include "core/blocks/delta_net.h"

#include <algorithm>
#include <cmath>

#include "core/blocks/product.h"
#include "core/error.h"
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

RecurrentShape shape_of(const DeltaNetSpec& spec) {
  return {.heads = spec.value_heads,
          .sharing = spec.sharing(),
          .keys = spec.key_dim,
          .values = spec.value_dim,
          .channels = spec.convolved(),
          .taps = spec.taps};
}

// Makes its length `length`, but for what keeps zero from being divided by.
void scale_to(float length, float* x, std::int64_t n) {
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const float factor = length / std::sqrt(sum + 1e-6f);
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace

DeltaNet::DeltaNet(WeightFile& file, const std::string& path, const DeltaNetSpec& spec, int hidden)
    : RecurrentBlock(Part::delta, shape_of(spec)), spec_(spec) {
  const auto project = [&](const char* name, std::int64_t width) {
    weights_.in.push_back(file.linear(fmt::format("{}.in_proj_{}", path, name), {width, hidden}));
  };
  if (spec.by_key_head) {
    project("qkvz", spec.convolved() + spec.values());
    project("ba", 2L * spec.value_heads);
  } else {
    project("qkv", spec.convolved());
    project("z", spec.values());
    project("b", spec.value_heads);
    project("a", spec.value_heads);
  }
  weights_.out = file.linear(path + ".out_proj", {hidden, spec.values()});
  load_common(file, path, false);
  weights_.norm = file.vector(path + ".norm.weight", spec.value_dim);
}

void DeltaNet::read_row(float* products, float* inputs) const {
  const std::int64_t values = spec_.sharing() * spec_.value_dim;       // of a key head
  const float* gates = products + spec_.convolved() + spec_.values();  // b and a
  const float* b = gates;
  const float* a = gates + spec_.value_heads;
  float* decays = inputs + spec_.convolved();
  float* rates = decays + spec_.value_heads;
  for (int head = 0; head < spec_.value_heads; ++head) {
    const std::int64_t before = head / spec_.sharing() * spec_.sharing();  // heads of key heads before its own
    const float of_b = spec_.by_key_head ? gates[before + head] : b[head];
    const float of_a = spec_.by_key_head ? gates[before + head + spec_.sharing()] : a[head];
    rates[head] = 1 / (1 + std::exp(-of_b));
    decays[head] = std::exp(-weights_.rate[static_cast<std::size_t>(head)] * softplus_of(head, of_a));
  }
  if (!spec_.by_key_head) {
    std::copy_n(products, spec_.convolved(), inputs);
    return;
  }
  for (std::int64_t head = 0; head < spec_.key_heads; ++head) {
    const float* own = products + head * 2 * (spec_.key_dim + values);
    std::copy_n(own, spec_.key_dim, inputs + head * spec_.key_dim);
    std::copy_n(own + spec_.key_dim, spec_.key_dim, inputs + spec_.keys() + head * spec_.key_dim);
    std::copy_n(own + 2 * spec_.key_dim, values, inputs + 2 * spec_.keys() + head * values);
    std::copy_n(own + 2 * spec_.key_dim + values, values, products + head * values);  // z, where nothing is read again
  }
}

void DeltaNet::step(const Engine& engine, const RecurrentStep& step) const {
  thread_local Buffer<float> buffer;
  const RecurrenceKernels& kernels = *engine.kernels().recurrence;
  const std::int64_t keys = spec_.key_dim;
  const std::int64_t dim = spec_.value_dim;
  const std::int64_t padded = padded_values(dim);
  float* q = buffer.get(2 * keys + step.count * dim + 2 * padded);
  float* k = q + keys;
  float* v = k + keys;
  float* value = v + step.count * dim;
  float* said = value + padded;
  const std::int64_t key_head = step.first / shape_.sharing;
  convolve(engine, step, key_head * keys, keys, q);
  convolve(engine, step, spec_.keys() + key_head * keys, keys, k);
  convolve(engine, step, 2 * spec_.keys() + step.first * dim, step.count * dim, v);
  scale_to(1 / std::sqrt(static_cast<float>(keys)), q, keys);
  scale_to(1, k, keys);
  std::fill_n(value, padded, 0.0f);
  for (int i = 0; i < step.count; ++i) {
    const int head = step.first + i;
    const std::int64_t at = i * shape_.state_floats();
    const float decay = step.decays[head];
    kernels.recall(step.from + at, keys, padded, k, said);
    for (std::int64_t d = 0; d < dim; ++d) value[d] = step.rates[head] * (v[i * dim + d] - decay * said[d]);
    kernels.update(step.from + at, keys, padded, decay, k, value, q, step.to + at, said);
    if (step.out != nullptr) std::copy_n(said, dim, step.out + head * dim);
  }
}

void DeltaNet::finish_row(const Engine& engine, const float* products, float* y) const {
  const float* z = spec_.by_key_head ? products : products + spec_.convolved();
  for (std::int64_t at = 0; at < spec_.values(); at += spec_.value_dim) {
    engine.kernels().rms_norm(y + at, weights_.norm.data(), spec_.value_dim, spec_.eps, y + at);
  }
  engine.kernels().silu_times(z, y, spec_.values(), y);
}

}  // namespace specdec

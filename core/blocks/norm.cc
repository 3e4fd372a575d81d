#include "core/blocks/norm.h"

#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {

std::vector<float> load_norm(WeightFile& file, const std::string& name, std::int64_t size, bool zero_centred) {
  std::vector<float> weights = file.vector(name, size);
  if (zero_centred) {
    for (float& weight : weights) weight += 1;
  }
  return weights;
}

void norm_rows(const Engine& engine, const float* x, std::int64_t rows, const std::vector<float>& w, float eps,
               float* out) {
  const auto size = static_cast<std::int64_t>(w.size());
  constexpr std::int64_t kLeastElements = 16384;
  engine.pool().for_each_if_worth(rows * size, kLeastElements, rows, [&](std::int64_t row) {
    engine.kernels().rms_norm(x + row * size, w.data(), size, eps, out + row * size);
  });
}

}  // namespace specdec

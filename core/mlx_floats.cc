#include "core/mlx_floats.h"

#include "core/error.h"
#include "core/stored_parts.h"

namespace specdec {

std::optional<Weight> open_mlx_floats(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape,
                                      const MlxFloats& mode) {
  if (!file.has(path + ".weight") || !file.has(path + ".scales") || file.has(path + ".biases")) return std::nullopt;
  const std::int64_t in = shape.back();
  const auto columns = [&](const char* suffix) {
    const StoredTensor& tensor = *file.find(path + suffix);
    return tensor.shape.size() == shape.size() ? tensor.shape.back() : 0;
  };
  const std::int64_t words = columns(".weight"), groups = columns(".scales");
  // The mode follows from the shapes, since the scales of all three are bytes. What fits none is reported as this one:
  const auto is = [&](int bits, int group) { return in % 32 == 0 && words == in / 32 * bits && groups == in / group; };
  const bool is_first = mode.bits == 4 && mode.group == 32;
  if (!is(mode.bits, mode.group) && (is(4, 32) || is(4, 16) || is(8, 32) || !is_first)) return std::nullopt;

  StoredParts parts(file, path, shape, fmt::format("MLX {}", mode.mode));
  parts.expect_inputs_of(32);
  const StoredTensor& codes = parts.get(".weight", {DType::u32}, parts.shape_ending(in * mode.bits / 32));
  const StoredTensor& scales = parts.get(".scales", {DType::u8}, parts.shape_ending(in / mode.group));
  Weight weight = parts.weight(codes);
  weight.scales = parts.rows(scales);
  return weight;
}

}  // namespace specdec

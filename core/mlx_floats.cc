#include "core/mlx_floats.h"

#include "core/error.h"
#include "core/stored_parts.h"

namespace specdec {

std::optional<Weight> open_mlx_floats(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape,
                                      const MlxFloats& mode) {
  if (!file.has(path + ".weight") || !file.has(path + ".scales") || file.has(path + ".biases")) return std::nullopt;
  const StoredTensor& stored = *file.find(path + ".scales");
  const std::int64_t in = shape.back();
  const std::int64_t words = file.find(path + ".weight")->shape.back(), groups = stored.shape.back();
  // The mode follows from the shapes, since the scales of all three are bytes. What fits none is reported as this one:
  const bool fits = words * 32 == in * mode.bits && groups * mode.group == in;
  const bool fits_other =
      (words * 8 == in && (groups * 32 == in || groups * 16 == in)) || (words * 4 == in && groups * 32 == in);
  const bool is_first = mode.bits == 4 && mode.group == 32;
  if (!fits && (fits_other || !is_first)) return std::nullopt;

  StoredParts parts(file, path, shape, fmt::format("MLX {}", mode.mode));
  parts.expect_inputs_of(32);
  const StoredTensor& codes = parts.get(".weight", {DType::u32}, parts.shape_ending(in * mode.bits / 32));
  const StoredTensor& scales = parts.get(".scales", {DType::u8}, parts.shape_ending(in / mode.group));
  Weight weight = parts.weight(codes);
  weight.scales = parts.rows(scales);
  return weight;
}

}  // namespace specdec

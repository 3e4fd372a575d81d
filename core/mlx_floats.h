// What the formats of small floats of MLX share (mlx.core.quantize with mode mxfp4, mxfp8 or nvfp4): `path`.weight in
// words of 32 bits, the first input in the lowest bits, and `path`.scales of one byte for each group.
#pragma once

#include "core/quant.h"

namespace specdec {

struct MlxFloats {
  const char* mode;
  int bits, group;
};

// Nothing if `path` is stored in another mode.
std::optional<Weight> open_mlx_floats(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape,
                                      const MlxFloats& mode);

}  // namespace specdec

// config.json of a checkpoint that is written: what it says of the formats.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/encode.h"

namespace specdec {

// A matrix, and the format that it is written in.
struct WrittenMatrix {
  std::string path;
  const Encoding* encoding = nullptr;
};

// The text of a config.json, its blocks `quantization` and `quantization_config` replaced by what mlx-lm writes: one
// rule, `rest` or, if that is plain, the format of the first matrix that is quantised, and the matrices that
// differ from it. No block if nothing is quantised.
std::string with_quantization(std::string_view config, const std::string& origin, const Encoding& rest,
                              std::span<const WrittenMatrix> matrices);

}  // namespace specdec

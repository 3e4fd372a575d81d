// How many bytes a tensor takes in a weight format, by the format's name on the command line.
//   parse_storage("affine4g64").bytes({4096, 2048})
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

// Codes of so many bits; one set of scales for each block of `rows` outputs by `group` inputs, if it has scales.
struct Storage {
  std::string name;
  int bits = 16;
  int group = 0, rows = 1;
  int scale_bytes = 0;  // of one block: scales and biases

  // Of a tensor of this shape, its last dimension the input. Constants of a whole tensor are not counted.
  std::int64_t bytes(std::span<const std::int64_t> shape) const;
};

// Formats of core/encode.h, int4g32 (compressed-tensors: a scale and no bias) and fp8 (blocks of 128 by 128). Throws
// UsageError naming them.
Storage parse_storage(std::string_view name);

}  // namespace specdec

// A tensor as a file stores it, and what is known of element types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace specdec {

// Types of GGUF stand in blocks along the last dimension, with what their elements share; all others are blocks of one
// element.
struct DTypeFacts {
  DType dtype;
  std::string_view name;  // as safetensors or GGUF spells it: "BF16", "Q4_K"
  std::int64_t block_elements, block_bytes;
};
std::span<const DTypeFacts> dtypes();
const DTypeFacts& facts_of(DType dtype);

std::string_view name_of(DType dtype);
std::size_t bytes_of(DType dtype);  // of one element; not for types in blocks

// data is valid as long as the file that maps it, and may be unaligned.
struct StoredTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::int64_t elements() const;
};

using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

// What a shape takes; throws Error, beginning with `where`, if the last dimension is no whole number of blocks or the
// bytes do not fit 63 bits.
std::size_t bytes_needed(const std::vector<std::int64_t>& shape, DType dtype, std::string_view where);

}  // namespace specdec

// safetensors checkpoints, memory-mapped: one file, or the shards of model.safetensors.index.json.
// The file is never trusted: header size, JSON, dtypes, shapes, offsets, overlaps and lengths are checked while opening.
// https://github.com/huggingface/safetensors (format), symlinks are followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace specdec {

std::string_view name_of(DType dtype);  // as the format spells it: "BF16"
std::size_t bytes_of(DType dtype);      // of one element

// A tensor as stored. data is valid as long as the SafetensorsFile that maps it.
struct StoredTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::int64_t elements() const;
};

// One mapped file.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string_view header() const { return header_; }  // the JSON text
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> mapping_;
  std::string_view header_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

// The checks of SafetensorsFile on bytes in memory; `origin` names them in errors. What the fuzzer calls.
std::map<std::string, StoredTensor, std::less<>> parse_safetensors(std::span<const std::byte> bytes,
                                                                   std::string_view origin);

// All shards of a checkpoint directory. Throws Error when the directory holds no safetensors, a shard of the index is missing,
// or a tensor of the index is not where it says.
std::vector<std::unique_ptr<SafetensorsFile>> open_safetensors(const std::filesystem::path& directory);

// Writes one file with the given tensors (data copied from StoredTensor::data). Throws Error if it cannot.
void write_safetensors(const std::filesystem::path& path, std::span<const StoredTensor> tensors);

}  // namespace specdec

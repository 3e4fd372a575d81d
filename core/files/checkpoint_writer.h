// Writing a checkpoint: a directory that appears whole or not at all, and the files of its weights.
//   NewDirectory made(path);
//   write_weights(made.path(), tensors, bytes_of_shard, [&](SafetensorsWriter& writer, auto tensors) { … });
//   made.keep();
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

#include "core/files/safetensors.h"

namespace specdec {

// What config.json and the weights are accompanied by.
inline constexpr std::array<std::string_view, 14> kOtherFiles{"generation_config.json",
                                                              "tokenizer.json",
                                                              "tokenizer_config.json",
                                                              "tokenizer.model",
                                                              "tiktoken.model",
                                                              "special_tokens_map.json",
                                                              "added_tokens.json",
                                                              "chat_template.jinja",
                                                              "chat_template.json",
                                                              "vocab.json",
                                                              "merges.txt",
                                                              "README.md",
                                                              "LICENSE",
                                                              "MODEL_CARD.md"};

// A directory beside its place under a temporary name, until it is kept; else it is removed.
class NewDirectory {
 public:
  // Throws Error if something is there already, unless that is a checkpoint and nothing else, and to be replaced.
  explicit NewDirectory(const std::filesystem::path& path, bool replace = false);
  ~NewDirectory();
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  // Throws Error if the disk has no room for so many bytes.
  void expect_room(std::int64_t bytes) const;
  void keep();  // moves it to its place

 private:
  std::filesystem::path path_, temporary_;
  bool replace_;
};

// Writes the tensors' files: model.safetensors, or shards of at most so many bytes, unless one matrix has more, and
// their index. fill writes all bytes of a shard's tensors. Returns the number of files.
using FillShard = std::function<void(SafetensorsWriter& writer, std::span<const StoredTensor> tensors)>;
int write_weights(const std::filesystem::path& directory, std::span<const StoredTensor> tensors,
                  std::int64_t most_shard_bytes, const FillShard& fill);

}  // namespace specdec

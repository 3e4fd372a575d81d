// What a model argument points to, whatever its files are: the text of a config.json and tensors by the names and in
// the order of rows that transformers gives them. One kind is one file, core/checkpoints/<name>.cc.
//   auto checkpoint = open_checkpoint("models/demo-moe");
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/mapped_file.h"
#include "core/files/stored_tensor.h"

namespace specdec {

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  struct Part {
    std::string origin;       // names it in errors
    std::string_view header;  // as in the file
    const StoredTensors* tensors;
  };
  virtual std::vector<Part> parts() const = 0;
  // As of MappedFile, whichever file the bytes are of.
  void fetch(std::span<const std::byte> bytes) const;
  void release(std::span<const std::byte> bytes) const;
  // The one that holds the bytes; null if they lie in memory of their own.
  const MappedFile* file_of(std::span<const std::byte> bytes) const;
  void check_unchanged() const;

 protected:
  // Of the bytes that parts() tells; the kind owns it.
  void reads(const MappedFile& file) { files_.push_back(&file); }

 private:
  std::vector<const MappedFile*> files_;
};

struct ConfigText {
  std::string json;
  std::string origin;  // names it in errors
};

struct CheckpointKind {
  std::string_view name, summary;
  bool (*takes)(const std::filesystem::path& path);
  ConfigText (*config)(const std::filesystem::path& path);
  std::unique_ptr<Checkpoint> (*open)(const std::filesystem::path& path);
};

std::span<const CheckpointKind> checkpoint_kinds();

// The first kind that takes the path; safetensors takes all that no other does.
const CheckpointKind& checkpoint_kind(const std::filesystem::path& path);

}  // namespace specdec

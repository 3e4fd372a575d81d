// GGUF of llama.cpp: one file, or several parts, that hold all.
#include <fmt/ranges.h>

#include <cstring>

#include "core/checkpoint.h"
#include "core/error.h"
#include "core/files/gguf_config.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;
using Files = std::vector<std::unique_ptr<GgufFile>>;

const GgufMetadata& metadata_of(const Files& files) { return files.front()->content().metadata; }

GgufFind finder(const Files& files) {
  return [&files](const std::string& name) -> const StoredTensor* {
    for (const auto& file : files) {
      const auto found = file->content().tensors.find(name);
      if (found != file->content().tensors.end()) return &found->second;
    }
    return nullptr;
  };
}

class GgufCheckpoint : public Checkpoint {
 public:
  explicit GgufCheckpoint(const fs::path& path) : files_(open_gguf(path)) {
    const GgufMetadata& metadata = metadata_of(files_);
    const GgufFind find = finder(files_);
    for (const auto& file : files_) {
      reads(file->file());
      StoredTensors& tensors = tensors_.emplace_back();
      for (const auto& [theirs, stored] : file->content().tensors) {
        const std::optional<std::string> name = transformers_name(theirs, metadata, find);
        if (!name) continue;
        StoredTensor tensor = stored;
        tensor.name = *name;
        if (const std::int64_t heads = interleaved_heads(theirs, metadata)) undo_interleaving(tensor, heads, metadata);
        if (!tensors.emplace(*name, std::move(tensor)).second)
          throw Error("{}: tensor '{}' and another one are both '{}' of transformers", file->path().string(), theirs,
                      *name);
      }
    }
  }

  std::vector<Part> parts() const override {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < files_.size(); ++i)
      parts.push_back({files_[i]->path().string(), files_[i]->content().header, &tensors_[i]});
    return parts;
  }

 private:
  // Blocks lie inside rows, so that rows move as they are. The copy is kept: a tenth of a dense model.
  void undo_interleaving(StoredTensor& tensor, std::int64_t heads, const GgufMetadata& metadata) {
    const std::int64_t rows = tensor.shape.empty() ? 0 : tensor.shape.front();
    if (heads < 1 || rows < 1 || rows % (2 * heads) != 0)
      throw Error("{}: '{}' is {}; expected rows of {} heads with an even number each", metadata.origin, tensor.name,
                  fmt::join(tensor.shape, " x "), heads);
    const std::size_t row_bytes = tensor.bytes / static_cast<std::size_t>(rows);
    auto& copy = copies_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(tensor.bytes));
    const std::int64_t half = rows / heads / 2;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t head = row / (2 * half), upper = row / half % 2, i = row % half;
      const std::int64_t from = head * 2 * half + 2 * i + upper;
      std::memcpy(copy.get() + static_cast<std::size_t>(row) * row_bytes,
                  tensor.data + static_cast<std::size_t>(from) * row_bytes, row_bytes);
    }
    tensor.data = copy.get();
  }

  Files files_;
  std::vector<StoredTensors> tensors_;  // of each file
  std::vector<std::unique_ptr<std::byte[]>> copies_;
};

ConfigText config(const fs::path& path) {
  const Files files = open_gguf(path);
  const std::string& origin = metadata_of(files).origin;
  return {gguf_config(metadata_of(files), finder(files)), fmt::format("{}, as a config.json", origin)};
}

}  // namespace

CheckpointKind checkpoint_gguf() {
  return {"gguf", "a file of llama.cpp, or its parts, with all that belongs to a model", is_gguf, config,
          [](const fs::path& path) -> std::unique_ptr<Checkpoint> { return std::make_unique<GgufCheckpoint>(path); }};
}

}  // namespace specdec

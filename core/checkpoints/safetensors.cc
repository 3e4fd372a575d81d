// A directory with config.json and safetensors, as transformers and MLX write it.
#include "core/files/safetensors.h"

#include "core/checkpoint.h"
#include "core/error.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

class SafetensorsCheckpoint : public Checkpoint {
 public:
  explicit SafetensorsCheckpoint(const fs::path& directory) : files_(open_safetensors(directory)) {
    for (const auto& file : files_) reads(file->file());
  }

  std::vector<Part> parts() const override {
    std::vector<Part> parts;
    for (const auto& file : files_) parts.push_back({file->path().string(), file->header(), &file->tensors()});
    return parts;
  }

 private:
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
};

ConfigText config(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  if (!fs::exists(path))
    throw Error("{}: missing; a checkpoint directory holds config.json and safetensors", path.string());
  return {std::string(MappedFile(path).text()), path.string()};
}

}  // namespace

CheckpointKind checkpoint_safetensors() {
  return {"safetensors", "a directory with config.json and safetensors, in one file or in shards",
          [](const fs::path&) { return true; }, config,
          [](const fs::path& path) -> std::unique_ptr<Checkpoint> {
            return std::make_unique<SafetensorsCheckpoint>(path);
          }};
}

}  // namespace specdec

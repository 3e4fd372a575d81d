#include "core/files/checkpoint_writer.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files/json.h"

namespace specdec {

namespace fs = std::filesystem;

namespace {

// The tensors of a matrix stay together: all names before the last dot that are equal.
std::string_view matrix_of(const StoredTensor& tensor) {
  return std::string_view(tensor.name).substr(0, tensor.name.rfind('.'));
}

std::size_t bytes_of_all(std::span<const StoredTensor> tensors) {
  std::size_t bytes = 0;
  for (const StoredTensor& tensor : tensors) bytes += tensor.bytes;
  return bytes;
}

std::vector<std::span<const StoredTensor>> shards_of(std::span<const StoredTensor> tensors, std::size_t most_bytes) {
  std::vector<std::span<const StoredTensor>> shards;
  std::size_t first = 0, bytes = 0;
  for (std::size_t i = 0, end; i < tensors.size(); i = end) {
    for (end = i + 1; end < tensors.size() && matrix_of(tensors[end]) == matrix_of(tensors[i]);) ++end;
    const std::size_t more = bytes_of_all(tensors.subspan(i, end - i));
    if (i > first && bytes + more > most_bytes) {
      shards.push_back(tensors.subspan(first, i - first));
      first = i;
      bytes = 0;
    }
    bytes += more;
  }
  shards.push_back(tensors.subspan(first));
  return shards;
}

bool is_written(const std::string& name) {
  const bool weights = name.starts_with("model") && name.ends_with(".safetensors");
  return weights || name == "config.json" || name == kSafetensorsIndex ||
         std::ranges::find(kOtherFiles, name) != kOtherFiles.end();
}

// What is replaced is removed: all of it is to be such as a checkpoint is written with.
void expect_checkpoint(const fs::path& directory) {
  bool weights = false;
  std::string foreign;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    weights |= name.ends_with(".safetensors");
    if (!entry.is_regular_file() || !is_written(name)) foreign = name;
  }
  if (!weights || !fs::exists(directory / "config.json"))
    throw Error("{}: exists and is no checkpoint, so it is not replaced; name another directory", directory.string());
  if (!foreign.empty())
    throw Error("{}: holds {}, which is not written with a checkpoint, so it is not replaced; name another directory",
                directory.string(), escaped(foreign));
}

}  // namespace

NewDirectory::NewDirectory(const fs::path& path, bool replace) : replace_(replace) {
  if (path.empty()) throw Error("cannot write a checkpoint: the name of the directory is empty");
  path_ = fs::absolute(path).lexically_normal();
  if (path_.filename().empty()) path_ = path_.parent_path();  // a slash at the end
  std::error_code failed;
  const fs::file_status there = fs::symlink_status(path_, failed);
  if (fs::exists(there)) {
    if (!replace) throw Error("{}: exists already; remove it, or name another directory", path.string());
    if (!fs::is_directory(there)) throw Error("{}: is no directory; name another one", path.string());
    if (!fs::is_empty(path_)) expect_checkpoint(path_);
  }
  temporary_ = fmt::format("{}.partial-{}", path_.string(), ::getpid());
  fs::create_directories(temporary_, failed);
  if (failed) throw Error("{}: cannot make this directory: {}", path.string(), failed.message());
}

NewDirectory::~NewDirectory() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void NewDirectory::expect_room(std::int64_t bytes) const {
  std::error_code unknown;
  const fs::space_info space = fs::space(temporary_, unknown);
  if (unknown || static_cast<std::uintmax_t>(bytes) <= space.available) return;
  throw Error("{}: the weights take {:.2f} GB, but the disk has room for {:.2f} GB; ask for fewer bits or layers",
              path_.string(), static_cast<double>(bytes) / 1e9, static_cast<double>(space.available) / 1e9);
}

void NewDirectory::keep() {
  const fs::path old = temporary_.string() + ".old";
  std::error_code failed, ignored;
  if (replace_) fs::rename(path_, old, ignored);  // unless there is nothing to replace
  fs::rename(temporary_, path_, failed);
  if (failed) {
    fs::rename(old, path_, ignored);
    throw Error("{}: cannot move {} there: {}", path_.string(), temporary_.string(), failed.message());
  }
  temporary_.clear();
  fs::remove_all(old, ignored);
}

int write_weights(const fs::path& directory, std::span<const StoredTensor> tensors, std::int64_t most_shard_bytes,
                  const FillShard& fill) {
  const auto shards = shards_of(tensors, static_cast<std::size_t>(most_shard_bytes));
  nlohmann::json index{{"metadata", {{"total_size", bytes_of_all(tensors)}}}, {"weight_map", nlohmann::json::object()}};
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1 ? "model.safetensors"
                                                : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    SafetensorsWriter writer(directory / name, shards[i]);
    fill(writer, shards[i]);
    writer.close();
    for (const StoredTensor& tensor : shards[i]) index["weight_map"][tensor.name] = name;
  }
  if (shards.size() > 1) write_file(directory / kSafetensorsIndex, index.dump(1));
  return static_cast<int>(shards.size());
}

}  // namespace specdec

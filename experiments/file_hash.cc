#include "experiments/file_hash.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

#include "core/checksum.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

void add_file(Checksum& sum, const fs::path& path) {
  constexpr std::uintmax_t kSample = 1 << 20;
  const std::uintmax_t size = fs::file_size(path);
  std::ifstream file(path, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(std::min(size, kSample)), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  sum.add(path.filename().string(), size, bytes);
  if (size <= kSample) return;
  file.seekg(static_cast<std::streamoff>(std::max(kSample, size - kSample)));
  bytes.assign(static_cast<std::size_t>(std::min(kSample, size - kSample)), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  sum.add(bytes);
}

template <typename Wanted>
std::string hash_of_those(const fs::path& path, const Wanted& wanted) {
  std::vector<fs::path> files;
  if (fs::is_regular_file(path)) files.push_back(path);
  if (fs::is_directory(path)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (entry.is_regular_file() && wanted(entry.path())) files.push_back(entry.path());
    }
    std::ranges::sort(files);
  }
  if (files.empty()) return {};
  Checksum sum;
  for (const fs::path& file : files) add_file(sum, file);
  return sum.text();
}

}  // namespace

std::string hash_of_files(const fs::path& path) {
  return hash_of_those(path, [](const fs::path&) { return true; });
}

std::string hash_of_texts(const fs::path& path) {
  return hash_of_those(path, [](const fs::path& file) { return file.extension() != ".safetensors"; });
}

}  // namespace specdec

// A regular file, memory-mapped read-only. Symlinks are followed.
//   MappedFile file("config.json");
//   auto config = parse_json(file.text(), file.path().string());
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace specdec {

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // throws Error if it cannot be read
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  // Asks the system to read `bytes` soon. Bytes outside the file are left alone.
  void fetch(std::span<const std::byte> bytes) const;
  // Gives the memory of whole pages among `bytes` back; they are read again when they are looked at. Bytes outside the
  // file are left alone.
  void release(std::span<const std::byte> bytes) const;
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  bool holds(std::span<const std::byte> bytes) const;

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace specdec

// A regular file, memory-mapped read-only. Symlinks are followed.
//   MappedFile file("config.json");
//   auto config = parse_json(file.text(), file.path().string());
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace specdec {

// What tells whether a file is still the one that was opened.
struct FileFacts {
  std::uint64_t device = 0, number = 0;
  std::int64_t size = 0, modified_ns = 0;
  bool operator==(const FileFacts&) const = default;
};
FileFacts file_facts(int fd, const std::filesystem::path& path);  // throws Error, naming the path

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // throws Error if it cannot be read
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  const FileFacts& facts() const { return facts_; }  // when it was opened
  // Throws Error if it was cut or written to since it was opened, going by the facts of now or of what is at its path:
  // whoever looks at the bytes of a file that was cut gets a signal.
  void check_unchanged(const FileFacts& now) const;
  void check_unchanged() const;
  bool holds(std::span<const std::byte> bytes) const;
  // Asks the system to read `bytes` soon. Bytes outside the file are left alone.
  void fetch(std::span<const std::byte> bytes) const;
  // Gives the memory of whole pages among `bytes` back; they are read again when they are looked at. Bytes outside the
  // file are left alone.
  void release(std::span<const std::byte> bytes) const;
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::filesystem::path path_;
  FileFacts facts_;
  std::span<const std::byte> bytes_;
};

}  // namespace specdec

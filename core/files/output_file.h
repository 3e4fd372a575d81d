// A file that appears whole or not at all: written beside its place under a temporary name, and moved by close().
//   OutputFile out(path);
//   out.write(text);
//   out.close();
// What exists and is no regular file (a pipe, /dev/null) is written directly, and so is what the process says on
// standard output or standard error anyway: /dev/stdout, whatever it leads to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace specdec {

// Every function throws Error if it cannot do its work; without close() nothing is left behind.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // At a place of its own, whatever was written so far: for regular files.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  void close();

 private:
  std::filesystem::path path_;       // of a file that is moved there: with symlinks resolved
  std::filesystem::path temporary_;  // empty: written directly
  int fd_ = -1;
};

void write_file(const std::filesystem::path& path, std::string_view text);

// Throws Error if the file cannot be written. Nothing is left behind, even when the run is interrupted. What is no file
// (a pipe) is not opened twice.
void check_writable(const std::filesystem::path& path);

// Of the outputs that are asked for: all can be written, none replaces another or an input, as below. Throws Error or
// UsageError.
void check_outputs(std::initializer_list<std::optional<std::string>> outputs,
                   std::span<const std::filesystem::path> inputs);

// Throws Error if writing `path` would replace an input: a file of `inputs`, or one in a directory of them.
void check_no_input(const std::filesystem::path& path, std::span<const std::filesystem::path> inputs);

}  // namespace specdec

#include "core/files/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "core/error.h"

namespace specdec {

namespace fs = std::filesystem;

namespace {

// Standard output or standard error, if that is what the path leads to: /dev/stdout, or the file that the shell sent it
// to. Nothing that was said there may be replaced.
std::optional<int> own_stream(const fs::path& path) {
  struct stat asked {
  }, own{};
  if (::stat(path.c_str(), &asked) != 0) return std::nullopt;
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::fstat(stream, &own) == 0 && own.st_dev == asked.st_dev && own.st_ino == asked.st_ino) return stream;
  }
  return std::nullopt;
}

// One name for all spellings, whether the file exists or not.
fs::path spelled_once(const fs::path& path) {
  std::error_code unknown;
  fs::path whole = fs::weakly_canonical(fs::absolute(path, unknown), unknown);
  return unknown ? path : whole;
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  if (path.empty()) throw Error("cannot write: the name of the file is empty");
  std::error_code unknown;
  const fs::file_status status = fs::status(path, unknown);
  if (fs::is_directory(status)) throw Error("{}: cannot write: it is a directory", path.string());
  if (const std::optional<int> stream = own_stream(path)) {
    std::fflush(stdout);  // in the order in which it is said
    fd_ = ::fcntl(*stream, F_DUPFD_CLOEXEC, 0);
  } else if (fs::exists(status) && !fs::is_regular_file(status)) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    path_ = spelled_once(path);
    // A file without write permission would still be replaced by the move.
    if (fs::is_regular_file(status) && ::access(path_.c_str(), W_OK) != 0)
      throw Error("{}: cannot write: {}", path.string(), std::strerror(errno));
    temporary_ = fmt::format("{}.partial-{}", path_.string(), ::getpid());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (fd_ < 0) throw Error("{}: cannot write: {}", path.string(), std::strerror(errno));
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::close() {
  SPECDEC_ASSERT(fd_ >= 0);
  // Moved while still open, so that the destructor cleans up after a failure.
  if (!temporary_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw Error("{}: cannot move {} there: {}", path_.string(), temporary_.string(), std::strerror(errno));
  temporary_.clear();
  const int result = ::close(fd_);
  fd_ = -1;
  if (result != 0) throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

void write_file(const fs::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.close();
}

void check_writable(const fs::path& path) {
  std::error_code unknown;
  if (!fs::is_other(fs::status(path, unknown))) OutputFile{path};
}

void check_no_input(const fs::path& path, std::span<const fs::path> inputs) {
  std::error_code unknown;
  if (!fs::is_regular_file(path, unknown)) return;
  const fs::path directory = fs::absolute(path, unknown).parent_path();
  for (const fs::path& input : inputs) {
    if (fs::equivalent(path, input, unknown) || fs::equivalent(directory, input, unknown)) {
      throw Error("{}: cannot write: it would replace what is read from {}; name another file", path.string(),
                  input.string());
    }
  }
}

void check_outputs(std::initializer_list<std::optional<std::string>> outputs, std::span<const fs::path> inputs) {
  std::set<fs::path> written;
  for (const std::optional<std::string>& output : outputs) {
    if (!output) continue;
    check_no_input(*output, inputs);
    check_writable(*output);
    if (!written.insert(spelled_once(*output)).second) {
      throw UsageError("two outputs name the same file: {}", *output);
    }
  }
}

}  // namespace specdec

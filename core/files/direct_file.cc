#include "core/files/direct_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/error.h"

namespace specdec {
namespace {

// Some file systems open a file for direct reads and then refuse them.
bool reads_directly(int fd) {
  constexpr auto kBytes = static_cast<std::size_t>(DirectFile::kAlignment);
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(kBytes, kBytes), &std::free);
  return memory != nullptr && ::pread(fd, memory.get(), kBytes, 0) >= 0;
}

}  // namespace

DirectFile::DirectFile(const MappedFile& mapped) : mapped_(mapped) {
  const char* path = mapped.path().c_str();
  fd_ = ::open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (fd_ >= 0 && !reads_directly(fd_)) {
    ::close(fd_);
    fd_ = -1;
  }
  if (fd_ < 0) {
    direct_ = false;
    fd_ = ::open(path, O_RDONLY | O_CLOEXEC);
  }
  if (fd_ < 0) throw Error("{}: cannot open: {}", mapped.path().string(), std::strerror(errno));
  try {
    check_unchanged();
  } catch (const Error&) {
    ::close(fd_);
    throw;
  }
}

DirectFile::~DirectFile() { ::close(fd_); }

void DirectFile::drop_cached(std::int64_t offset, std::int64_t bytes) const {
  if (!direct_) ::posix_fadvise(fd_, offset, bytes, POSIX_FADV_DONTNEED);
}

void DirectFile::check_unchanged() const { mapped_.check_unchanged(file_facts(fd_, mapped_.path())); }

}  // namespace specdec

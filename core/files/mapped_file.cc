#include "core/files/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "core/error.h"

namespace specdec {
namespace {

// Closes on every way out of the constructor; the mapping outlives the descriptor.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

FileFacts facts_from(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size,
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace

FileFacts file_facts(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw Error("{}: cannot read its size: {}", path.string(), std::strerror(errno));
  return facts_from(status);
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer before we can say that it is not a file.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) throw Error("{}: cannot open: {}", path.string(), std::strerror(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) throw Error("{}: cannot read its size: {}", path.string(), std::strerror(errno));
  if (S_ISDIR(status.st_mode)) throw Error("{}: is a directory, expected a file", path.string());
  if (!S_ISREG(status.st_mode)) throw Error("{}: is not a regular file", path.string());
  facts_ = facts_from(status);
  if (status.st_size == 0) return;  // mmap refuses length 0
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapping == MAP_FAILED) throw Error("{}: cannot map {} bytes: {}", path.string(), size, std::strerror(errno));
  bytes_ = {static_cast<const std::byte*>(mapping), size};
}

void MappedFile::check_unchanged(const FileFacts& now) const {
  if (now == facts_) return;
  if (now.size < facts_.size) {
    throw Error("{}: has {} bytes, but had {} when it was opened: it was cut; restore it and start again",
                path_.string(), now.size, facts_.size);
  }
  throw Error("{}: was changed since it was opened; start again when nobody writes to it", path_.string());
}

void MappedFile::check_unchanged() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) {
    throw Error("{}: is not there any more: {}", path_.string(), std::strerror(errno));
  }
  check_unchanged(facts_from(status));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

bool MappedFile::holds(std::span<const std::byte> bytes) const {
  return bytes.data() >= bytes_.data() && bytes.data() + bytes.size() <= bytes_.data() + bytes_.size();
}

void MappedFile::fetch(std::span<const std::byte> bytes) const {
  if (!holds(bytes)) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size());
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
}

void MappedFile::release(std::span<const std::byte> bytes) const {
  if (!holds(bytes)) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace specdec

#include "core/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/error.h"

#ifdef __GLIBC__  // which the headers above define
#include <malloc.h>
#endif

namespace specdec {
namespace {

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();

std::int64_t available_of_system() {
  std::ifstream facts("/proc/meminfo");
  std::string key, unit;
  std::int64_t kilobytes = 0;
  while (facts >> key >> kilobytes) {
    std::getline(facts, unit);
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return kUnknown;
}

// The number in a file; kUnknown if there is none, or the word "max".
std::int64_t number_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::int64_t number = 0;
  return file >> number ? number : kUnknown;
}

// Of a line "key number" in a file; 0 if there is none.
std::int64_t entry_in(const std::filesystem::path& path, const std::string& wanted) {
  std::ifstream file(path);
  std::string key;
  std::int64_t number = 0;
  while (file >> key >> number) {
    if (key == wanted) return number;
  }
  return 0;
}

// What the limits of a control group and of those above it leave, counting the pages of files as free.
std::int64_t available_of_groups() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  std::int64_t available = kUnknown;
  while (std::getline(groups, line)) {
    if (!line.starts_with("0::/")) continue;
    const std::filesystem::path root = "/sys/fs/cgroup";
    for (std::filesystem::path group = root / line.substr(4); group.native().size() >= root.native().size();
         group = group.parent_path()) {
      const std::int64_t most = number_in(group / "memory.max"), used = number_in(group / "memory.current");
      if (most == kUnknown || used == kUnknown) continue;
      const std::int64_t files = entry_in(group / "memory.stat", "inactive_file");
      available = std::min(available, std::max<std::int64_t>(0, most - used + files));
    }
  }
  return available;
}

}  // namespace

std::int64_t parse_bytes(const std::string& text, std::string_view what) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr double kMost = 0x1p60;
  for (const auto& [name, bytes] :
       {std::pair{"GiB", 0x1p30}, {"GB", 1e9}, {"MiB", 0x1p20}, {"MB", 1e6}, {"TiB", 0x1p40}, {"TB", 1e12}}) {
    if (error == std::errc() && unit == name && number > 0 && number * bytes < kMost) {
      return std::llround(number * bytes);
    }
  }
  throw UsageError("{} '{}': expected a size such as 128GiB or 512GB (GB = 1e9 bytes, GiB = 2^30)", what, text);
}

std::int64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

std::int64_t available_memory() { return std::min(available_of_system(), available_of_groups()); }

std::int64_t memory_for_weights() {
  const std::int64_t available = available_memory();
  if (available == kUnknown) return available;
  constexpr std::int64_t kKept = std::int64_t{1} << 30;
  return std::max<std::int64_t>(0, available - available / 16 - kKept);
}

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLargestLaw = 8 << 20, kMostKept = 256 << 20;  // bytes
  mallopt(M_MMAP_THRESHOLD, kLargestLaw);
  mallopt(M_TRIM_THRESHOLD, kMostKept);
#endif
}

}  // namespace specdec

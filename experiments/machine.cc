#include "experiments/machine.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

#include "core/engine.h"
#include "core/error.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// The value of the first line "key : value", without spaces around it.
std::string value_of(const fs::path& file, std::string_view key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
  }
  return "";
}

// "266240K", "18 kB" -> bytes; 0 for anything else.
std::int64_t bytes_of(const std::string& text) {
  std::size_t end = 0;
  std::int64_t number = 0;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') number = 10 * number + (text[end++] - '0');
  while (end < text.size() && text[end] == ' ') ++end;
  if (end == text.size()) return number;
  switch (text[end]) {
    case 'k':
    case 'K':
      return number << 10;
    case 'M':
      return number << 20;
    case 'G':
      return number << 30;
    default:
      return 0;
  }
}

std::int64_t last_level_cache_bytes() {
  std::int64_t largest = 0;
  std::error_code absent;
  for (const fs::directory_entry& cache : fs::directory_iterator("/sys/devices/system/cpu/cpu0/cache", absent)) {
    std::string size;
    std::getline(std::ifstream(cache.path() / "size"), size);
    largest = std::max(largest, bytes_of(size));
  }
  return largest;
}

std::uint64_t sum(const std::uint64_t* words, std::size_t count) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) total += words[i];
  return total;
}

}  // namespace

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Machine this_machine() {
  const std::string cpu = value_of("/proc/cpuinfo", "model name");
  return {cpu.empty() ? "unknown" : cpu, usable_cores(), last_level_cache_bytes(),
          bytes_of(value_of("/proc/meminfo", "MemTotal"))};
}

bool fits_memory(std::int64_t weight_bytes, const Machine& machine) {
  return machine.memory_bytes == 0 || weight_bytes <= machine.memory_bytes / 5 * 4;  // the rest is for everything else
}

namespace {
constexpr std::size_t kWordsOfTask = 1 << 15;  // 256 KB: many tasks, so that no thread waits long for another
}

ReadMeter::ReadMeter(Pool& pool, std::int64_t bytes)
    : pool_(pool),
      sums_(std::max<std::size_t>(1, static_cast<std::size_t>(bytes) / (kWordsOfTask * sizeof(std::uint64_t)))) {
  words_.assign(sums_.size() * kWordsOfTask, 1);
  bytes_per_s();
}

double ReadMeter::bytes_per_s() {
  const auto begin = std::chrono::steady_clock::now();
  pool_.for_each(static_cast<std::int64_t>(sums_.size()), [&](std::int64_t task) {
    const auto i = static_cast<std::size_t>(task);
    sums_[i] = sum(words_.data() + i * kWordsOfTask, kWordsOfTask);
  });
  const double s = seconds_since(begin);
  SPECDEC_ASSERT(std::ranges::all_of(sums_, [](std::uint64_t found) { return found == kWordsOfTask; }));
  return static_cast<double>(words_.size() * sizeof(std::uint64_t)) / s;
}

double measure_read_bytes_per_s(Pool& pool, std::int64_t bytes, double patience_s) {
  ReadMeter meter(pool, bytes);
  double best = 0;
  const auto begin = std::chrono::steady_clock::now();
  do {
    best = std::max(best, meter.bytes_per_s());
  } while (seconds_since(begin) < patience_s);
  return best;
}

double measure_barrier_s(Pool& pool) {
  constexpr int kRepeats = 200;
  constexpr double kTask_s = 10e-6;  // as long as a product of a small model
  const auto wait = [](std::int64_t) {
    for (const auto begin = std::chrono::steady_clock::now(); seconds_since(begin) < kTask_s;) {
    }
  };
  const Phase phase(pool.threads(), wait);
  const std::array phases{phase, phase, phase};  // of one start, about as many as in a pass of a model
  double best_s = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    pool.run(phases);
    best_s = std::min(best_s, seconds_since(begin));
  }
  const double wait_s = best_s / static_cast<double>(phases.size()) - kTask_s;
  // With fewer free cores than threads, tasks follow one another, and no wait was measured.
  return wait_s < kTask_s / 2 ? std::max(0.0, wait_s) : 0.0;
}

}  // namespace specdec

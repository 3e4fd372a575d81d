// Whether something is what it was: FNV-1a, 64 bits.
//   Checksum sum;
//   sum.add(prompt.id, prompt.text);
//   if (sum.text() != kept) …
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace specdec {

class Checksum {
 public:
  template <typename... Values>
  void add(const Values&... values) {
    (add_bytes(fmt::format("{}\n", values)), ...);
  }
  void add_bytes(std::string_view bytes) {
    for (const char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace specdec

// GGUF files as tests want them, right or wrong.
//   GgufWriter writer;
//   writer.text("general.architecture", "llama");
//   writer.number("llama.block_count", GgufType::u32, std::uint32_t{2});
//   writer.tensor("token_embd.weight", 0, {4, 96}, bytes);
//   directory.write("model.gguf", writer.bytes());
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/gguf.h"

namespace specdec {

class GgufWriter {
 public:
  template <typename T>
  void number(std::string_view key, GgufType type, T value) {
    begin_value(key, type);
    put(values_, value);
  }
  void text(std::string_view key, std::string_view value);
  void texts(std::string_view key, const std::vector<std::string>& values);
  template <typename T>
  void numbers(std::string_view key, GgufType type, const std::vector<T>& values) {
    begin_list(key, type, values.size());
    for (const T& value : values) put(values_, value);
  }

  // dimensions: the contiguous one first, as in the file.
  void tensor(std::string_view name, std::uint32_t type, const std::vector<std::uint64_t>& dimensions,
              std::string_view data);

  std::string bytes() const;

  std::string magic = "GGUF";
  std::uint32_t version = 3;

 private:
  template <typename T>
  static void put(std::string& to, T value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void put_text(std::string& to, std::string_view text);
  static void pad(std::string& to);
  void begin_value(std::string_view key, GgufType type);
  void begin_list(std::string_view key, GgufType type, std::size_t count);

  std::uint64_t keys_ = 0, tensors_ = 0;
  std::string values_, infos_, data_;
};

}  // namespace specdec

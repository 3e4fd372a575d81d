#include "tests/gguf_writer.h"

namespace specdec {

void GgufWriter::put_text(std::string& to, std::string_view text) {
  put(to, static_cast<std::uint64_t>(text.size()));
  to += text;
}

void GgufWriter::pad(std::string& to) {
  constexpr std::size_t kAlignment = 32;
  to.resize((to.size() + kAlignment - 1) / kAlignment * kAlignment);
}

void GgufWriter::begin_value(std::string_view key, GgufType type) {
  ++keys_;
  put_text(values_, key);
  put(values_, static_cast<std::uint32_t>(type));
}

void GgufWriter::begin_list(std::string_view key, GgufType type, std::size_t count) {
  begin_value(key, GgufType::list);
  put(values_, static_cast<std::uint32_t>(type));
  put(values_, static_cast<std::uint64_t>(count));
}

void GgufWriter::text(std::string_view key, std::string_view value) {
  begin_value(key, GgufType::text);
  put_text(values_, value);
}

void GgufWriter::texts(std::string_view key, const std::vector<std::string>& values) {
  begin_list(key, GgufType::text, values.size());
  for (const std::string& value : values) put_text(values_, value);
}

void GgufWriter::tensor(std::string_view name, std::uint32_t type, const std::vector<std::uint64_t>& dimensions,
                        std::string_view data) {
  ++tensors_;
  put_text(infos_, name);
  put(infos_, static_cast<std::uint32_t>(dimensions.size()));
  for (const std::uint64_t count : dimensions) put(infos_, count);
  put(infos_, type);
  put(infos_, static_cast<std::uint64_t>(data_.size()));
  data_ += data;
  pad(data_);
}

std::string GgufWriter::bytes() const {
  std::string file = magic;
  put(file, version);
  put(file, tensors_);
  put(file, keys_);
  file += values_ + infos_;
  pad(file);
  return file + data_;
}

}  // namespace specdec

#include <fmt/format.h>
#include <zlib.h>

#include <vector>

#include "core/error.h"
#include "notebooks-export/notebook/notebook.h"

namespace specdec {
namespace {

std::string base64(const std::vector<unsigned char>& bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? bytes[i + j] : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

}  // namespace

std::string python_text(std::string_view text) {
  std::string literal = "\"\"\"\\\n";
  int quotes = 0;
  for (const char c : text) {
    quotes = c == '"' ? quotes + 1 : 0;
    if (c == '\\') {
      literal += "\\\\";
    } else if (quotes == 3) {
      literal += "\\\"";
      quotes = 0;
    } else if (static_cast<unsigned char>(c) < ' ' && c != '\n') {
      literal += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      literal += c;
    }
  }
  if (quotes > 0) literal.back() = '\\', literal += '"';
  return literal + "\"\"\"";
}

std::string packed_python_text(std::string_view text) {
  uLongf size = compressBound(text.size());
  std::vector<unsigned char> packed(size);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  SPECDEC_ASSERT(compress2(packed.data(), &size, bytes, text.size(), Z_BEST_COMPRESSION) == Z_OK);
  packed.resize(size);
  return fmt::format("unpacked(\"{}\")", base64(packed));
}

}  // namespace specdec

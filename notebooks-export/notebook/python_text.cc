#include <fmt/format.h>
#include <zlib.h>

#include "core/error.h"
#include "notebooks-export/base64.h"
#include "notebooks-export/notebook/notebook.h"

namespace specdec {
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
  std::string packed(size, '\0');
  const int result = compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(text.data()), text.size(), Z_BEST_COMPRESSION);
  SPECDEC_ASSERT(result == Z_OK);
  packed.resize(size);
  return fmt::format("unpacked(\"{}\")", base64(packed));
}

}  // namespace specdec

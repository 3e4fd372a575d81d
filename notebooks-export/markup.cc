#include "notebooks-export/markup.h"

namespace specdec {

std::string markup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else if (c == '\n' || c == '\t') {
      escaped += ' ';
    } else if (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace specdec

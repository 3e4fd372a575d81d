#include "cli/terminal_width.h"

#include <sys/ioctl.h>

#include <charconv>
#include <cstdlib>

namespace specdec {

int terminal_width(int file) {
  winsize size{};
  if (::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const std::string_view text = columns == nullptr ? "" : columns;
  int width = 0;
  std::from_chars(text.data(), text.data() + text.size(), width);
  return width > 0 ? width : 80;
}

std::string cut_to_width(std::string_view text, int width) {
  const auto begins_character = [](char c) { return (c & 0xC0) != 0x80; };
  int characters = 0;
  std::size_t last = 0;  // where the last character that fits begins
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!begins_character(text[i])) continue;
    if (++characters == width) last = i;
    if (characters > width) return width < 1 ? "" : std::string(text.substr(0, last)) + "…";
  }
  return std::string(text);
}

}  // namespace specdec

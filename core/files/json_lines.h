// Where the values of a JSON text stand: for errors that send a user to a line of his file.
//   const JsonLines lines(text);
//   lines.line_of("product.k[2]")
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace specdec {

// The path of a member of the object at `path`; "" is the outermost.
std::string member(const std::string& path, std::string_view key);

// Of a text that is JSON, with or without comments. It outlives the lines.
class JsonLines {
 public:
  explicit JsonLines(std::string_view text);
  bool has(const std::string& path) const { return places_.contains(path); }
  // From 1; of an unknown path, that of the nearest value around it.
  int line_of(const std::string& path) const;
  std::size_t place_of(const std::string& path) const;  // in the text, as above

 private:
  std::string_view text_;
  std::map<std::string, std::size_t> places_;  // of keys in objects, and of elements in lists
};

}  // namespace specdec

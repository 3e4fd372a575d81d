// Templates of Jinja, as far as chat templates use them, and as transformers sets them up: trim_blocks, lstrip_blocks,
// break and continue, raise_exception, strftime_now, and nothing that changes a value.
//   jinja::Template("{{ greeting|upper }}", "greeting.jinja").render(variables) == "HELLO"
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "tokenizers/jinja/syntax.h"

namespace specdec::jinja {

class Template {
 public:
  // name: for errors. Throws Error that names it, the line, and what is wrong or not supported.
  Template(std::string_view source, std::string name);

  // Throws as above. A template may be hostile: steps, depth and size of the text are limited.
  std::string render(const Dict& variables, std::time_t now) const;

 private:
  std::string name_;
  Block block_;
};

}  // namespace specdec::jinja

#include "tokenizers/jinja/template.h"

#include "tokenizers/jinja/interpreter.h"
#include "tokenizers/jinja/lexer.h"
#include "tokenizers/jinja/parser.h"
#include "tokenizers/utf8.h"

namespace specdec::jinja {

Template::Template(std::string_view source, std::string name) : name_(std::move(name)) {
  constexpr std::size_t kMostBytes = 1 << 20;
  if (source.size() > kMostBytes) throw Error("{}: larger than {} MB", name_, kMostBytes >> 20);
  try {
    block_ = parse(source);
  } catch (const SyntaxError& error) {
    throw Error("{}, line {}: {}", name_, error.line, error.what);
  }
}

std::string Template::render(const Dict& variables, std::time_t now) const {
  Interpreter interpreter(variables, now);
  try {
    return interpreter.run(block_);
  } catch (const Error& error) {
    throw Error("{}, line {}: {}", name_, interpreter.line(), printable(error.what()));
  }
}

}  // namespace specdec::jinja

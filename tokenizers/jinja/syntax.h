// A template after parsing.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizers/jinja/value.h"

namespace specdec::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> given;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Expression {
  enum class Kind {
    constant,     // constant
    name,         // name
    list,         // parts
    tuple,        // parts
    dict,         // parts: key, value, key, value …
    attribute,    // parts[0].name
    item,         // parts[0][parts[1]]
    slice,        // parts[0][parts[1]:parts[2]:parts[3]], of which those after the first may be null
    call,         // parts[0](arguments)
    filter,       // parts[0]|name(arguments); null in the filter of a block
    test,         // parts[0] is name(arguments)
    negation,     // -parts[0]
    plus,         // +parts[0]
    logical_not,  // not parts[0]
    logical_and,  // parts[0] and parts[1]
    logical_or,   // parts[0] or parts[1]
    condition,    // parts[1] if parts[0] else parts[2], which may be null
    comparison,   // parts[0] operators[0] parts[1] operators[1] parts[2] …
    concat,       // parts[0] ~ parts[1] ~ …
    arithmetic,   // parts[0] name parts[1]
  };
  Kind kind;
  int line;
  int depth = 1;  // of the tree below it
  std::string name = {};
  Value constant = {};
  std::vector<ExpressionPtr> parts = {};
  std::vector<std::string> operators = {};
  CallArguments arguments = {};
};

// What `set` and `for` assign to: a name, an attribute of a namespace, or several.
struct Target {
  std::string name, attribute;
  std::vector<Target> parts;
};

struct Statement;
using Block = std::vector<Statement>;

struct Macro {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // with their defaults, null if there is none
  std::shared_ptr<const Block> body;
};

struct Branch {
  ExpressionPtr condition;  // null: else
  Block body;
};

struct Statement {
  enum class Kind {
    text,       // text
    print,      // expression
    branches,   // branches
    loop,       // for target in expression if condition: body; else: otherwise
    set,        // target = expression
    set_block,  // target = body, through the filter `expression` unless it is null
    macro,      // macro
    filter,     // body through the filter `expression`
    with,       // sets, then body, in a scope of its own
    scope,      // body in a scope of its own
    break_loop,
    next_turn,
  };
  Kind kind;
  int line;
  std::string text = {};
  Target target = {};
  ExpressionPtr expression = {}, condition = {};
  Block body = {}, otherwise = {};
  std::vector<Branch> branches = {};
  std::vector<std::pair<Target, ExpressionPtr>> sets = {};
  Macro macro = {};
};

}  // namespace specdec::jinja

// An option of a command: where its value goes, its name and its help. The value before parsing is the default.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace specdec {

struct Option {
  using Field = std::variant<bool*, int*, std::uint64_t*, double*, std::string*, std::optional<int>*,
                             std::optional<std::string>*, std::vector<std::string>*>;
  enum class Presence {
    optional,
    required,
    positional
  };  // positional: given without its name, and
      // required unless it is a vector

  std::string_view name;  // without the dashes
  Field field;            // bool: a flag; optional: whether it was given matters; vector: one or more words
  std::string help;
  Presence presence = Presence::optional;
};

}  // namespace specdec

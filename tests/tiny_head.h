// EAGLE heads of a few kilobytes, right for a target of `hidden`, `layers` and `vocab` until a test changes something.
// Weights are zeros, for looking at, unless a seed draws them.
//   TinyHead head = tiny_eagle3({.hidden = 64, .layers = 3, .vocab = 96});
//   head.config["draft_vocab_size"] = 5;
//   head.write(directory);
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace specdec {

struct TinyTarget {
  std::int64_t hidden, layers, vocab;
};

struct TinyTensor {
  DType dtype = DType::bf16;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> integers = {};  // of a tensor of I64 or BOOL; others are zeros
};

struct TinyHead {
  nlohmann::json config;
  std::map<std::string, TinyTensor> tensors;
  std::optional<std::uint64_t> seed{};

  void write(const std::filesystem::path& directory) const;
};

// d2t names every third target id.
TinyHead tiny_eagle3(const TinyTarget& target);              // as EAGLE's own code writes it
TinyHead tiny_eagle3_speculators(const TinyTarget& target);  // as speculators does
TinyHead tiny_eagle(const TinyTarget& target);

}  // namespace specdec

// What an EAGLE head's checkpoint holds, checked against its target: tensors by their names, whoever wrote them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/blocks/decoder.h"
#include "core/eagle.h"

namespace specdec {

struct EagleParts {
  std::shared_ptr<WeightFile> file;
  DecoderSpec spec;  // of its one layer
  std::string about;
  bool joins_layers = false;          // EAGLE-3
  bool norm_before_residual = false;  // EAGLE-3: what goes past the attention is normed, too
  std::vector<int> taps;
  std::vector<TokenId> tokens;  // of the columns of its head; empty: all
  Weight embedding, fc, head;
  std::unique_ptr<Attention> attention;
  Swiglu ffn;
  std::vector<float> fc_bias, input_norm;                                 // empty if it has none
  std::vector<float> embedding_norm, hidden_norm, ffn_norm, output_norm;  // the first two and the last: of EAGLE-3
  WeightBytes bytes;
};

EagleParts open_eagle(const std::filesystem::path& path, const Model& target, Engine& engine);

}  // namespace specdec

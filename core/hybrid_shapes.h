// Sizes of models with recurrent layers, by config.json. For loading and for counting alike.
#pragma once

#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/layer_kinds.h"

namespace specdec {

struct MambaShape {
  int heads = 0, head_dim = 0, groups = 0, state = 0, taps = 0;
  bool biased = false, conv_biased = false;  // projections, the convolution
};

struct NemotronShape {
  static constexpr bool kTied = false;  // whatever 'tie_word_embeddings' says

  std::vector<HybridBlock> blocks, mtp_blocks;  // of the trunk, of one MTP head
  int mtp_layers = 0;
  int head_dim = 0;  // of attention, unless 'head_dim' says it
  bool mlp_biased = false;
  MambaShape mamba;              // if any block is one
  std::string_view experts_key;  // and what follows: if any block is a mixture
  int latent = 0, shared_width = 0;

  bool has(HybridBlock block) const;  // in the trunk or in an MTP head
};
NemotronShape read_nemotron_shape(const ConfigReader& config);

// Of Qwen3-Next and Qwen3.5.
struct QwenHybridShape {
  int head_dim = 256;  // of attention, unless 'head_dim' says it
  int key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, taps = 0;
  std::string_view experts_key;
  int shared_width = 0;  // of the shared expert of mixtures
};
// config: of the text model.
QwenHybridShape read_qwen_hybrid_shape(const ConfigReader& config);

}  // namespace specdec

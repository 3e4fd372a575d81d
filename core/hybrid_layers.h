// What the layers of models with recurrent ones are, as their configs spell it.
#pragma once

#include <vector>

#include "core/config.h"

namespace specdec {

enum class HybridBlock { mamba, attention, moe, dense };

// Of Nemotron-H: layers_block_type by names, else hybrid_override_pattern by letters ("MEM*"). Throws Error if both are
// missing.
std::vector<HybridBlock> nemotron_blocks(const ConfigReader& config);
// Of one of its MTP heads: mtp_layers_block_type or mtp_hybrid_override_pattern, else attention and experts.
std::vector<HybridBlock> nemotron_mtp_blocks(const ConfigReader& config);

// Of Qwen3-Next and Qwen3.5, per layer whether its attention is full: layer_types, else every
// full_attention_interval-th.
std::vector<bool> full_attention_layers(const ConfigReader& config, int layers);

// Of these and Qwen3, which layers are mixtures of experts: all but mlp_only_layers and those between
// decoder_sparse_step.
std::vector<bool> qwen_routed_layers(const ConfigReader& config, int layers);

}  // namespace specdec

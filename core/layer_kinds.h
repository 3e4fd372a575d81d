// Which layers of a model are what, by its config.json. For loading and for counting alike.
#pragma once

#include <functional>
#include <string_view>
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

// Which layers are mixtures of experts: mlp_layer_types ("sparse" or "dense") if given, else by the family's own keys.
std::vector<bool> routed_layers(const ConfigReader& config, int layers,
                                const std::function<bool(int layer)>& otherwise);
// Of Qwen3 and Qwen3-Next: all but mlp_only_layers and those between decoder_sparse_step.
std::vector<bool> qwen_routed_layers(const ConfigReader& config, int layers);
// Of GLM-4.5 to 4.7: all but the first_k_dense_replace first.
std::vector<bool> glm_routed_layers(const ConfigReader& config, int layers);
// Of DeepSeek's and its heirs.
std::vector<bool> deepseek_routed_layers(const ConfigReader& config, int layers);

bool is_deepseek_v2(const ConfigReader& config);

// DeepSeek's and its heirs': which layers have an indexer of their own; the others take the choice of the last one
// before them that has.
bool is_indexed(const ConfigReader& config);  // whether there are any
std::vector<bool> deepseek_indexed_layers(const ConfigReader& config, int layers);

// Under which key config.json, the whole one or that of the text model, says how many MTP layers there are.
std::string_view mtp_key(const ConfigReader& config);
int count_mtp_layers(const ConfigReader& config, std::string_view key);

}  // namespace specdec

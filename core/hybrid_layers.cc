#include "core/hybrid_layers.h"

#include <algorithm>
#include <map>
#include <string>

#include "core/error.h"
#include "core/inventory.h"

namespace specdec {
namespace {

std::vector<HybridBlock> to_blocks(const ConfigReader& config, std::string_view key) {
  static const std::map<std::string, HybridBlock, std::less<>> kNames{{"M", HybridBlock::mamba},
                                                                      {"mamba", HybridBlock::mamba},
                                                                      {"linear_attention", HybridBlock::mamba},
                                                                      {"*", HybridBlock::attention},
                                                                      {"attention", HybridBlock::attention},
                                                                      {"full_attention", HybridBlock::attention},
                                                                      {"E", HybridBlock::moe},
                                                                      {"moe", HybridBlock::moe},
                                                                      {"-", HybridBlock::dense},
                                                                      {"mlp", HybridBlock::dense}};
  std::vector<HybridBlock> blocks;
  for (const std::string& name : config.letters(key)) {
    const auto found = kNames.find(name);
    if (found == kNames.end()) {
      throw Error("{}: '{}' has a layer '{}'; expected mamba, attention, moe or mlp (M, *, E, -)", config.origin(), key,
                  name);
    }
    blocks.push_back(found->second);
  }
  return blocks;
}

std::vector<HybridBlock> read_blocks(const ConfigReader& config, std::string_view list, std::string_view pattern) {
  const std::vector<HybridBlock> named = to_blocks(config, list);
  const std::vector<HybridBlock> lettered = to_blocks(config, pattern);
  if (!named.empty() && !lettered.empty() && named != lettered) {
    throw Error("{}: '{}' and '{}' say different layers; which of them is right?", config.origin(), list, pattern);
  }
  return named.empty() ? lettered : named;
}

}  // namespace

std::vector<HybridBlock> nemotron_blocks(const ConfigReader& config) {
  std::vector<HybridBlock> blocks =
      read_blocks(config, config.first_of({"layers_block_type", "layer_types"}), "hybrid_override_pattern");
  if (blocks.empty()) {
    throw Error("{}: 'hybrid_override_pattern' is missing; expected one letter a layer", config.origin());
  }
  return blocks;
}

std::vector<HybridBlock> nemotron_mtp_blocks(const ConfigReader& config) {
  std::vector<HybridBlock> blocks = read_blocks(config, "mtp_layers_block_type", "mtp_hybrid_override_pattern");
  if (blocks.empty()) blocks = {HybridBlock::attention, HybridBlock::moe};
  return blocks;
}

std::vector<bool> full_attention_layers(const ConfigReader& config, int layers) {
  const std::vector<std::string> types = config.texts("layer_types");
  if (!types.empty() && types.size() != static_cast<std::size_t>(layers)) {
    throw Error("{}: 'layer_types' lists {} layers of {}", config.origin(), types.size(), layers);
  }
  const int every = config.positive_count("full_attention_interval", 4);
  std::vector<bool> full;
  for (int layer = 0; layer < layers; ++layer) {
    if (types.empty()) {
      full.push_back((layer + 1) % every == 0);
      continue;
    }
    const std::string& type = types[static_cast<std::size_t>(layer)];
    if (type != "full_attention" && type != "linear_attention") {
      throw Error("{}: 'layer_types' has '{}'; expected full_attention or linear_attention", config.origin(), type);
    }
    full.push_back(type == "full_attention");
  }
  return full;
}

std::vector<bool> qwen_routed_layers(const ConfigReader& config, int layers) {
  const int every = config.positive_count("decoder_sparse_step", 1);
  const std::vector<int> dense = config.integers("mlp_only_layers");
  return routed_layers(config, layers, [&](int layer) {
    return (layer + 1) % every == 0 && std::ranges::find(dense, layer) == dense.end();
  });
}

}  // namespace specdec

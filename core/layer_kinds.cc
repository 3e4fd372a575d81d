#include "core/layer_kinds.h"

#include <algorithm>
#include <map>
#include <string>

#include "core/error.h"

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

std::vector<bool> routed_layers(const ConfigReader& config, int layers,
                                const std::function<bool(int layer)>& otherwise) {
  const std::vector<std::string> types = config.texts("mlp_layer_types");
  std::vector<bool> routed(static_cast<std::size_t>(layers));
  if (!types.empty() && types.size() != routed.size()) {
    throw Error("{}: 'mlp_layer_types' lists {} layers of {}", config.origin(), types.size(), layers);
  }
  for (std::size_t layer = 0; layer < routed.size(); ++layer) {
    if (!types.empty() && types[layer] != "sparse" && types[layer] != "dense") {
      throw Error("{}: 'mlp_layer_types' has '{}'; expected sparse or dense", config.origin(), types[layer]);
    }
    routed[layer] = types.empty() ? otherwise(static_cast<int>(layer)) : types[layer] == "sparse";
  }
  return routed;
}

std::vector<bool> qwen_routed_layers(const ConfigReader& config, int layers) {
  const int every = config.positive_count("decoder_sparse_step", 1);
  const std::vector<int> dense = config.integers("mlp_only_layers");
  return routed_layers(config, layers, [&](int layer) {
    return (layer + 1) % every == 0 && std::ranges::find(dense, layer) == dense.end();
  });
}

std::vector<bool> glm_routed_layers(const ConfigReader& config, int layers) {
  const int dense = config.count("first_k_dense_replace", 1);
  return routed_layers(config, layers, [&](int layer) { return layer >= dense; });
}

bool is_deepseek_v2(const ConfigReader& config) { return config.text("model_type", "") == "deepseek_v2"; }

std::vector<bool> deepseek_routed_layers(const ConfigReader& config, int layers) {
  int first = config.count("first_k_dense_replace", is_deepseek_v2(config) ? 0 : 3);
  if (config.text("model_type", "") == "glm4_moe_lite") first = 1;  // whatever the key says
  return routed_layers(config, layers, [&](int layer) { return layer >= first; });
}

bool is_indexed(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  return type == "deepseek_v32" || type == "glm_moe_dsa";
}

std::vector<bool> deepseek_indexed_layers(const ConfigReader& config, int layers) {
  const auto count = static_cast<std::size_t>(layers);
  if (!is_indexed(config)) return std::vector<bool>(count, false);
  // The class of DeepSeek-V3.2 knows no sharing.
  if (config.text("model_type", "") == "deepseek_v32") return std::vector<bool>(count, true);
  std::vector<std::string> types = config.texts("indexer_types");
  if (types.empty()) types = config.letters("index_topk_pattern");
  if (!types.empty() && types.size() != count) {
    throw Error("{}: the schedule of the indexer lists {} layers of {}", config.origin(), types.size(), layers);
  }
  const int every = std::max(config.count("index_topk_freq", 1), 1);
  const int offset = config.count("index_skip_topk_offset", 2);
  std::vector<bool> indexed(count);
  for (int layer = 0; layer < layers; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    const std::string type = types.empty() ? "" : types[i];
    if (!types.empty() && type != "full" && type != "shared" && type != "F" && type != "S") {
      throw Error("{}: the schedule of the indexer has '{}'; expected full or shared", config.origin(), type);
    }
    indexed[i] = types.empty() ? std::max(layer - offset + 1, 0) % every == 0 : type == "full" || type == "F";
  }
  if (!indexed.front()) {
    throw Error("{}: by the schedule of the indexer layer 0 shares one; expected the first layer to have its own",
                config.origin());
  }
  return indexed;
}

std::string_view mtp_key(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  const bool hybrid = type == "qwen3_next" || type.starts_with("qwen3_5");
  return hybrid ? "mtp_num_hidden_layers" : "num_nextn_predict_layers";
}

int count_mtp_layers(const ConfigReader& config, std::string_view key) {
  constexpr int kMostMtpLayers = 64;
  const int layers = config.count(key, 0);
  if (layers > kMostMtpLayers) {
    throw Error("{}: '{}' is {}; expected at most {}", config.origin(), key, layers, kMostMtpLayers);
  }
  return layers;
}

}  // namespace specdec

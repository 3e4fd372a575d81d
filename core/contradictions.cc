#include "core/contradictions.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "core/declared_storage.h"
#include "core/inventory.h"

namespace specdec {
namespace {

void check_lists(const ConfigReader& config, std::vector<std::string>& found) {
  // Nemotron-H's class goes by its lists alone.
  if (!config.has("num_hidden_layers") || config.text("model_type", "") == "nemotron_h") return;
  const auto layers = static_cast<std::size_t>(config.count("num_hidden_layers"));
  const auto check = [&](std::string_view key, std::size_t size) {
    if (size == 0 || size == layers) return;
    found.push_back(fmt::format("{}: '{}' lists {} layers, but 'num_hidden_layers' is {}; which of them is right?",
                                config.origin(), key, size, layers));
  };
  for (const std::string_view key : {"layer_types", "mlp_layer_types", "layers_block_type", "indexer_types"}) {
    check(key, config.texts(key).size());
  }
  for (const std::string_view key : {"hybrid_override_pattern", "index_topk_pattern"}) {
    check(key, config.letters(key).size());
  }
}

void check_spellings(const ConfigReader& config, std::vector<std::string>& found) {
  std::string_view first;
  for (const std::string_view key : {"n_routed_experts", "num_experts", "num_local_experts"}) {
    if (!config.has(key)) continue;
    if (!first.empty() && config.count(key) != config.count(first)) {
      found.push_back(fmt::format("{}: '{}' is {}, but '{}' is {}; expected one number of experts", config.origin(),
                                  first, config.count(first), key, config.count(key)));
    }
    if (first.empty()) first = key;
  }
  if (config.has("head_dim") && config.has("attention_head_dim") &&
      config.count("head_dim") != config.count("attention_head_dim")) {
    found.push_back(fmt::format("{}: 'head_dim' is {}, but 'attention_head_dim' is {}; which of them is right?",
                                config.origin(), config.count("head_dim"), config.count("attention_head_dim")));
  }
  const std::optional<ConfigReader> rope = config.object("rope_parameters");
  for (const std::string_view key : {"rope_theta", "partial_rotary_factor"}) {
    if (!rope || !rope->has(key) || !config.has(key) || rope->number(key, 0) == config.number(key, 0)) continue;
    found.push_back(fmt::format("{}: '{}' is {}, but {} in 'rope_parameters'; which of them is right?", config.origin(),
                                key, config.number(key, 0), rope->number(key, 0)));
  }
}

// Of a list and a pattern that say which layers have an indexer of their own.
void check_indexers(const ConfigReader& config, std::vector<std::string>& found) {
  const auto own = [&](std::string_view key) {
    std::vector<bool> full;
    for (const std::string& type : config.letters(key)) full.push_back(type == "full" || type == "F");
    return full;
  };
  const std::vector<bool> listed = own("indexer_types");
  const std::vector<bool> drawn = own("index_topk_pattern");
  if (listed.empty() || drawn.empty() || listed == drawn) return;
  found.push_back(fmt::format(
      "{}: 'indexer_types' and 'index_topk_pattern' say different layers; which of them is right?", config.origin()));
}

void check_windows(const ConfigReader& config, std::vector<std::string>& found) {
  const std::vector<std::string> types = config.texts("layer_types");
  if (std::ranges::find(types, "sliding_attention") == types.end()) return;
  const std::string type = config.text("model_type", "");
  if (type != "qwen2" && type != "qwen3") return;  // others have a window of their own accord
  if (config.boolean("use_sliding_window", false)) return;
  found.push_back(
      fmt::format("{}: 'layer_types' has sliding_attention, but 'use_sliding_window' is not true", config.origin()));
}

}  // namespace

std::vector<std::string> contradictions(const ConfigReader& outer) {
  const ConfigReader config = text_part(outer);
  std::vector<std::string> found;
  check_lists(config, found);
  check_spellings(config, found);
  check_indexers(config, found);
  check_windows(config, found);
  if (const auto stored = outer.object("quantization_config")) {
    if (std::string foreign = foreign_fp8_blocks(*stored); !foreign.empty()) found.push_back(std::move(foreign));
  }
  if (config.has("vocab_size")) {
    const int vocab = config.count("vocab_size");
    for (const std::string_view key : {"eos_token_id", "bos_token_id"}) {
      for (std::string& one : foreign_ids(config, key, vocab)) found.push_back(std::move(one));
    }
  }
  return found;
}

std::vector<std::string> foreign_ids(const ConfigReader& config, std::string_view key, int vocab) {
  std::vector<std::string> found;
  for (const int id : config.integers(key)) {
    if (id < vocab) continue;
    found.push_back(fmt::format("{}: '{}' is {}, but the vocabulary has {} ids; are the two of one model?",
                                config.origin(), key, id, vocab));
  }
  return found;
}

}  // namespace specdec

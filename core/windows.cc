#include "core/windows.h"

#include <algorithm>
#include <functional>

#include "core/error.h"

namespace specdec {
namespace {

// What transformers does where config.json is silent.
struct Rule {
  std::function<bool(int layer)> windowed;  // where layer_types is missing, or not asked
  int fallback = 4096;                      // of sliding_window
  bool asks_types = true;
};

Rule rule_of(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  const auto all_if = [](bool any) { return [any](int) { return any; }; };
  const bool given = !config.is_null("sliding_window");
  if (type == "mistral") return {all_if(given)};
  if (type == "mixtral") return {all_if(config.has("sliding_window")), 0, false};
  if (type == "gpt_oss") return {[](int layer) { return layer % 2 == 0; }, 128};
  if (type.starts_with("gemma3")) {
    const int every = config.positive_count("sliding_window_pattern", 6);
    return {[every](int layer) { return (layer + 1) % every != 0; }};
  }
  const bool asked = config.boolean("use_sliding_window", false);
  const bool any = given && asked;
  if (type == "qwen3_moe") return {all_if(any), 4096, false};
  if (type != "qwen2" && type != "qwen3") return {all_if(false), 0, false};
  const int first = config.count("max_window_layers", 28);
  return {[=](int layer) { return any && layer >= first; }};
}

}  // namespace

int chunks_of_window(int window, int pending, int capacity) {
  const int all = (capacity - 1) / kKvChunk + 1;
  if (window == 0 || window >= capacity - pending) return all;
  return std::min(all, (window - 1 + pending + kKvChunk - 2) / kKvChunk + 1);
}

LayerWindows read_windows(const ConfigReader& config, int layers) {
  const Rule rule = rule_of(config);
  LayerWindows windows{0, std::vector<bool>(static_cast<std::size_t>(layers), false)};
  const std::vector<std::string> types = rule.asks_types ? config.texts("layer_types") : std::vector<std::string>{};
  if (!types.empty() && std::ssize(types) != layers) {
    throw Error("{}: 'layer_types' lists {} layers of {}", config.origin(), types.size(), layers);
  }
  for (int layer = 0; layer < layers; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    const std::string_view kind = types.empty() ? std::string_view() : types[i];
    if (!kind.empty() && kind != "full_attention" && kind != "sliding_attention") {
      throw Error("{}: layer type '{}' is not one of this architecture; full_attention and sliding_attention are",
                  config.origin(), kind);
    }
    windows.layers[i] = kind.empty() ? rule.windowed(layer) : kind == "sliding_attention";
  }
  if (std::ranges::find(windows.layers, true) == windows.layers.end()) return windows;
  if (config.is_null("sliding_window")) {
    throw Error("{}: layers of sliding_attention, but 'sliding_window' is null; expected a number of positions",
                config.origin());
  }
  windows.size = config.positive_count("sliding_window", rule.fallback);
  return windows;
}

}  // namespace specdec

#include "experiments/synth.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/arch.h"
#include "core/batch.h"
#include "core/error.h"
#include "core/files/checkpoint_writer.h"
#include "core/files/json.h"
#include "core/traffic.h"
#include "experiments/pass_meter.h"
#include "experiments/quantization_block.h"
#include "experiments/random_weights.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// Keeps the first `layers` of what config.json says of each layer.
void cut_layers(nlohmann::json& config, int layers, const std::string& origin) {
  config["num_hidden_layers"] = layers;
  const auto size = static_cast<std::size_t>(layers);
  const auto expect_enough = [&](const char* key, std::size_t found) {
    if (found < size) {
      throw Error("{}: '{}' lists {} layers, which is less than the {} asked for", origin, key, found, layers);
    }
  };
  for (const char* key : {"layer_types", "mlp_layer_types", "layers_block_type", "indexer_types"}) {
    if (!config.contains(key) || !config[key].is_array()) continue;
    nlohmann::json& list = config[key];
    expect_enough(key, list.size());
    list.erase(list.begin() + layers, list.end());
  }
  for (const char* key : {"hybrid_override_pattern", "index_topk_pattern"}) {
    if (!config.contains(key) || !config[key].is_string()) continue;
    const auto pattern = config[key].get<std::string>();
    expect_enough(key, pattern.size());
    config[key] = pattern.substr(0, size);
  }
}

nlohmann::json read_config(const SynthOptions& options) {
  const std::string origin = options.like.string();
  nlohmann::json config = parse_json(MappedFile(options.like).text(), origin);
  if (!config.is_object()) throw Error("{}: expected a JSON object", origin);
  if (options.layers == 0) return config;
  const bool nested = config.contains("text_config") && config["text_config"].is_object();
  cut_layers(nested ? config["text_config"] : config, options.layers, origin);
  return config;
}

}  // namespace

SynthReport synthesise(const SynthOptions& options, const fs::path& directory, Engine& engine) {
  RandomWeights random(find_encoding(options.experts), find_encoding(options.rest));
  if (options.layers < 0)
    throw UsageError("{} layers: expected 1 or more, or 0 for as many as the model has", options.layers);
  NewDirectory made(directory);
  const std::string config = read_config(options).dump();
  const ConfigReader reader(config, options.like.string());
  const Architecture& architecture = find_architecture(reader);
  const ModelInfo info = architecture.describe(reader);
  architecture.load(reader, WeightFile(options.like.parent_path(), random), info, engine);

  SynthReport report{
      .bytes = random.bytes(), .tensors = static_cast<std::int64_t>(random.tensors().size()), .layers = info.layers};
  made.expect_room(report.bytes);
  report.files = random.write(made.path(), options.seed, options.most_shard_bytes, engine.pool());
  write_file(made.path() / "config.json",
             with_quantization(config, reader.origin(), find_encoding(options.rest), random.matrices()));
  made.keep();
  return report;
}

double mean_union(const fs::path& directory, int rows, std::uint64_t seed, Engine& engine) {
  const std::unique_ptr<Model> model = load_model(directory, engine);
  const auto state = model->new_state(rows);
  const Output out = model->forward(chain_of(random_tokens(*model, rows, seed)), *state, {});
  const float* logits = out.logits.data();
  if (!std::all_of(logits, logits + out.logits.size(), [](float logit) { return std::isfinite(logit); })) {
    throw Error("{}: a random model of these shapes gives logits that are not finite", directory.string());
  }
  std::set<int> layers;
  for (const RouterUse& use : out.routed) layers.insert(use.layer);
  return layers.empty() ? 0.0
                        : static_cast<double>(woken_experts(out.routed).size()) / static_cast<double>(layers.size());
}

}  // namespace specdec

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
#include "core/inventory.h"
#include "core/layer_kinds.h"
#include "core/traffic.h"
#include "experiments/pass_meter.h"
#include "experiments/quantization_block.h"
#include "experiments/random_weights.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

// Keeps the first `layers` of what config.json says of each layer, in a list or in letters.
void cut_layers(nlohmann::json& config, int layers, const std::string& origin) {
  config["num_hidden_layers"] = layers;
  const auto size = static_cast<std::size_t>(layers);
  for (const char* key : {"layer_types", "mlp_layer_types", "layers_block_type", "hybrid_override_pattern",
                          "indexer_types", "index_topk_pattern", "moe_layer_freq"}) {
    if (!config.contains(key)) continue;
    nlohmann::json& each = config[key];
    if (!each.is_array() && !each.is_string()) continue;
    const std::size_t found = each.is_array() ? each.size() : each.get_ref<const std::string&>().size();
    if (found < size) {
      throw Error("{}: '{}' lists {} layers, which is less than the {} asked for", origin, key, found, layers);
    }
    if (each.is_array()) {
      each.erase(each.begin() + layers, each.end());
    } else {
      each.get_ref<std::string&>().resize(size);
    }
  }
}

// At most the MTP layer that is chained.
void set_mtp(nlohmann::json& config, std::string_view key, std::optional<int> wanted) {
  if (wanted) {
    config[key] = *wanted;
  } else if (config.contains(key) && config[key].is_number_integer() && config[key] > 1) {
    config[key] = 1;
  }
}

std::string read_config(const SynthOptions& options) {
  const std::string origin = options.like.string();
  nlohmann::json config = parse_json(MappedFile(options.like).text(), origin);
  if (!config.is_object()) throw Error("{}: expected a JSON object", origin);
  const bool nested = config.contains("text_config") && config["text_config"].is_object();
  nlohmann::json& text = nested ? config["text_config"] : config;
  if (options.layers > 0) cut_layers(text, options.layers, origin);
  set_mtp(text, mtp_key(ConfigReader(config.dump(), origin)), options.mtp);
  return config.dump();
}

// Of its MTP layers, with what these have again of the trunk.
std::vector<std::string> mtp_names(const Inventory& inventory) {
  std::vector<std::string> names = inventory.copies;
  for (const TensorSpec& tensor : inventory.tensors) {
    if (place_of(tensor.name, inventory.layers).mtp) names.push_back(tensor.name);
  }
  return names;
}

}  // namespace

SynthReport synthesise(const SynthOptions& options, const fs::path& directory, Engine& engine) {
  const Encoding& experts = find_encoding(options.experts);
  const Encoding& rest = find_encoding(options.rest);
  if (options.layers < 0)
    throw UsageError("{} layers: expected 1 or more, or 0 for as many as the model has", options.layers);
  if (options.mtp && *options.mtp != 0 && *options.mtp != 1)
    throw UsageError("{} MTP layers: expected 0 or 1, for one is chained however many are stored", *options.mtp);
  NewDirectory made(directory);
  const std::string config = read_config(options);
  const ConfigReader reader(config, options.like.string());
  const Architecture& architecture = find_architecture(reader);
  const ModelInfo info = architecture.describe(reader);
  std::vector<std::string> mtp = mtp_names(take_inventory(reader));
  if (mtp.empty() && options.mtp.value_or(0) > 0) {
    throw UsageError("{}: model_type '{}' has no MTP layers; leave --mtp out", reader.origin(), architecture.name);
  }
  RandomWeights random(experts, rest, std::move(mtp));
  architecture.load(reader, WeightFile(options.like.parent_path(), random), info, engine);

  SynthReport report{
      .bytes = random.bytes(), .tensors = static_cast<std::int64_t>(random.tensors().size()), .layers = info.layers};
  for (const StoredTensor& tensor : random.tensors()) {
    if (place_of(tensor.name, info.layers).mtp) report.mtp_bytes += static_cast<std::int64_t>(tensor.bytes);
  }
  made.expect_room(report.bytes);
  report.files = random.write(made.path(), options.seed, options.most_shard_bytes, engine.pool());
  write_file(made.path() / "config.json", with_quantization(config, reader.origin(), rest, random.matrices()));
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

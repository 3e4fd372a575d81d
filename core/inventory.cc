#include "core/inventory.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "core/blocks/rope.h"
#include "core/error.h"
#include "core/traffic.h"
#include "core/windows.h"

namespace specdec {
namespace {

constexpr int kMostLayers = 10000;
constexpr std::int64_t kMostSize = std::int64_t{1} << 24;
constexpr std::int64_t kMostElements = std::int64_t{1} << 36;  // of the experts of a layer together
constexpr std::int64_t kMostKept = std::int64_t{1} << 32;      // values that a layer keeps

bool holds(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

bool holds_any(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return holds(name, part); });
}

// The number after "layers."; -1 if there is none, or one that is no layer.
int layer_of(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  const std::size_t at = name.find(kLayers);
  if (at == std::string_view::npos) return -1;
  int layer = -1;
  for (const char c : name.substr(at + kLayers.size())) {
    if (c < '0' || c > '9' || layer > kMostLayers) break;
    layer = 10 * std::max(layer, 0) + (c - '0');
  }
  return layer;
}

Group group_of(std::string_view name) {
  if (holds_any(name, {".experts.", ".switch_mlp."})) return Group::routed;
  if (name.ends_with("bias") ||
      holds_any(name, {"norm", "conv1d", ".A_log", ".D", "dt_bias", ".sinks", "rotary_emb"})) {
    return Group::other;
  }
  if (holds(name, ".indexer.")) return Group::indexer;
  if (holds_any(name, {"shared_head.head", "shared_head.d2t", "lm_head"})) return Group::head;
  if (holds_any(name, {"embed_tokens", "embeddings"})) return Group::embedding;
  if (holds(name, "shared_expert")) return Group::shared;
  if (holds(name, "latent_proj")) return Group::latent;
  if (holds_any(name, {"mlp.gate.", "block_sparse_moe.gate.", "mlp.router.", "mixer.gate."})) return Group::router;
  if (holds_any(name, {".mlp.", ".mixer.up_proj", ".mixer.down_proj", "eh_proj", "mtp.fc"})) return Group::dense;
  if (holds_any(name, {".self_attn.", ".linear_attn.", ".mixer."})) return Group::attention;
  return Group::other;
}

// Without recurrent states. windowed: positions of layers with a window.
std::int64_t cache_bytes(const CacheShape& cache, std::int64_t context, std::int64_t windowed,
                         std::int64_t index_bytes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;  // of a damaged config
  const double about = static_cast<double>(cache.per_position + cache.index_keys) * static_cast<double>(context);
  if (about > static_cast<double>(kMost) / 8) return kMost;
  const std::int64_t keys_and_values = (cache.per_position - cache.windowed) * context + cache.windowed * windowed;
  return CacheShape::kValueBytes * keys_and_values + index_bytes * cache.index_keys * context;
}

}  // namespace

std::string_view name_of(Group group) {
  constexpr std::array<std::string_view, kGroups> kNames{"embedding", "head",   "attention", "indexer", "dense",
                                                         "router",    "shared", "latent",    "routed",  "other"};
  return kNames[static_cast<std::size_t>(group)];
}

Place place_of(std::string_view name, int trunk_layers) {
  const int layer = layer_of(name);
  const bool beside = name.starts_with("mtp.") || holds(name, ".mtp.");
  return {group_of(name), layer, beside || layer >= trunk_layers};
}

std::int64_t TensorSpec::elements() const {
  std::int64_t count = copies;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

bool TensorSpec::is_matrix() const { return shape.size() >= 2 && !name.ends_with("bias"); }

std::int64_t CacheShape::bytes_at(std::int64_t context) const {
  return cache_bytes(*this, context, std::min<std::int64_t>(context, window), kValueBytes) + state_bytes();
}

std::int64_t CacheShape::kept_at(std::int64_t context) const {
  const auto capacity = static_cast<int>(std::min<std::int64_t>(context, std::numeric_limits<int>::max()));
  const std::int64_t slots = std::int64_t{kKvChunk} * chunks_of_window(window, kUsualRows, capacity);
  return cache_bytes(*this, context, std::min(context, slots), kIndexBytesHere) + state_bytes_here();
}

bool has_inventory(std::string_view model_type) {
  return std::ranges::any_of(inventory_kinds(), [&](const InventoryKind& kind) {
    return std::ranges::find(kind.model_types, model_type) != kind.model_types.end();
  });
}

ConfigReader text_part(const ConfigReader& config) {
  static const std::map<std::string, std::vector<std::string_view>, std::less<>> kInside{
      {"gemma3", {"gemma3_text"}},
      {"kimi_k25", {"kimi_k2", "deepseek_v3"}},
      {"qwen3_5", {"qwen3_5_text"}},
      {"qwen3_5_moe", {"qwen3_5_moe_text"}}};
  const std::optional<ConfigReader> text = config.object("text_config");
  const std::string type = config.text("model_type", "");
  const auto known = kInside.find(type);
  if (known == kInside.end()) {
    if (text && has_inventory(type)) {
      throw Error("{}: model_type is '{}', which has no 'text_config'; is it the model_type of the whole?",
                  config.origin(), type);
    }
    return text ? *text : config;
  }
  const std::vector<std::string_view>& types = known->second;
  if (!text && !config.has("hidden_size")) {
    throw Error("{}: 'text_config' is missing; expected that of a {}", config.origin(), types.front());
  }
  if (!text) return config;
  const std::string inside = text->text("model_type", types.front());
  if (std::ranges::find(types, inside) == types.end()) {
    throw Error("{}: model_type is '{}' inside a {}; expected {}", text->origin(), inside, type,
                fmt::join(types, " or "));
  }
  return *text;
}

ConfigReader gemma3_text(const ConfigReader& config) {
  constexpr std::string_view kDefaults = R"({"vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4,
    "model_type": "gemma3_text", "head_dim": 256, "max_position_embeddings": 131072})";
  return text_part(config).with_defaults(kDefaults);
}

Inventory take_inventory(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  std::vector<std::string_view> known;
  for (const InventoryKind& kind : inventory_kinds()) {
    if (std::ranges::find(kind.model_types, type) != kind.model_types.end()) {
      Inventory inventory = kind.take(config);
      inventory.model_type = type;
      return inventory;
    }
    known.insert(known.end(), kind.model_types.begin(), kind.model_types.end());
  }
  throw Error("{}: model_type is '{}'; the tensors are known of: {}", config.origin(), type, fmt::join(known, ", "));
}

StorageRule uniform_storage(Storage experts, Storage rest) {
  return [=, small = parse_storage("bf16")](const TensorSpec& tensor, Group group) {
    if (!tensor.is_matrix() || group == Group::router || group == Group::other) return small;
    return group == Group::routed ? experts : rest;
  };
}

GroupCount sum_of(const GroupCounts& groups) {
  GroupCount sum;
  for (const GroupCount& group : groups) {
    sum.tensors += group.tensors;
    sum.parameters += group.parameters;
    sum.bytes += group.bytes;
  }
  return sum;
}

void StoredBytes::add(const Place& place, std::int64_t bytes) {
  groups[static_cast<std::size_t>(place.group)] += bytes;
  if (place.layer < 0) return;
  const auto layer = static_cast<std::size_t>(place.layer);
  if (routed.size() <= layer) routed.resize(layer + 1);
  if (place.group == Group::routed) routed[layer] += bytes;
}

void StoredBytes::add_first_mtp(const Place& place, int trunk_layers, std::int64_t bytes) {
  if (place.mtp && place.layer <= trunk_layers) add({place.group, 0, true}, bytes);
}

WeightBytes StoredBytes::weights(int experts, std::int64_t head, std::int64_t embedding_row) const {
  WeightBytes bytes{.head = head, .embedding_row = embedding_row, .expert = routed};
  for (std::int64_t& layer : bytes.expert) layer /= std::max(experts, 1);
  for (const std::int64_t group : groups) bytes.total += group;
  bytes.fixed = bytes.total - of(Group::routed) - of(Group::embedding) - of(Group::head) + head;
  return bytes;
}

Account account_of(const Inventory& inventory, const StorageRule& storage) {
  Account account;
  StoredBytes trunk, mtp;
  std::vector<bool> routed(static_cast<std::size_t>(inventory.layers), false);
  for (const TensorSpec& tensor : inventory.tensors) {
    const Place place = place_of(tensor.name, inventory.layers);
    const std::int64_t bytes = tensor.copies * storage(tensor, place.group).bytes(tensor.shape);
    GroupCount& count = (place.mtp ? account.mtp : account.trunk)[static_cast<std::size_t>(place.group)];
    count.tensors += tensor.copies;
    count.parameters += tensor.elements();
    count.bytes += bytes;
    const bool of_later_head = inventory.mtp_head_layers > 0 && place.layer >= inventory.mtp_head_layers;
    if (!of_later_head) mtp.add_first_mtp(place, inventory.layers, bytes);
    if (place.mtp) continue;
    trunk.add(place, bytes);
    if (place.group != Group::routed) continue;
    SPECDEC_ASSERT(place.layer >= 0);
    routed[static_cast<std::size_t>(place.layer)] = true;
  }
  trunk.routed.resize(routed.size());
  const std::int64_t embedding = trunk.of(Group::embedding);
  account.weights =
      trunk.weights(inventory.experts, inventory.tied ? embedding : trunk.of(Group::head), embedding / inventory.vocab);
  account.mtp_weights = mtp.weights(inventory.experts, account.weights.head, account.weights.embedding_row);
  account.routed_layers = static_cast<int>(std::ranges::count(routed, true));
  account.total_parameters = sum_of(account.trunk).parameters;
  const std::int64_t experts = account.trunk[static_cast<std::size_t>(Group::routed)].parameters;
  if (experts > 0) account.parameters_per_expert = experts / inventory.experts / account.routed_layers;
  account.active_parameters = account.total_parameters - experts +
                              account.parameters_per_expert * inventory.experts_per_token * account.routed_layers;
  if (!inventory.tied) {
    account.active_parameters -= account.trunk[static_cast<std::size_t>(Group::embedding)].parameters;
  }
  return account;
}

double Account::bytes_of_rows(const Inventory& inventory, int rows) const {
  const double woken = uniform_union(inventory.experts, inventory.experts_per_token, rows);
  const std::int64_t experts = std::accumulate(weights.expert.begin(), weights.expert.end(), std::int64_t{0});
  return static_cast<double>(weights.fixed) + woken * static_cast<double>(experts);
}

std::int64_t size_of(const ConfigReader& config, std::string_view key) {
  const std::int64_t size = config.count(key);
  if (size > kMostSize) throw Error("{}: '{}' is {}; expected at most {}", config.origin(), key, size, kMostSize);
  return size;
}

std::int64_t size_of(const ConfigReader& config, std::string_view key, std::int64_t fallback) {
  return config.has(key) ? size_of(config, key) : fallback;
}

Inventory begin_inventory(const ConfigReader& config, bool tied_fallback, int layers) {
  Inventory inventory;
  inventory.origin = config.origin();
  inventory.layers = layers > 0 ? layers : config.count("num_hidden_layers");
  if (inventory.layers > kMostLayers) {
    throw Error("{}: 'num_hidden_layers' is {}; expected at most {}", config.origin(), inventory.layers, kMostLayers);
  }
  inventory.vocab = static_cast<int>(size_of(config, "vocab_size"));
  inventory.hidden = static_cast<int>(size_of(config, "hidden_size"));
  inventory.context = read_context(config, 0);
  if (inventory.context < config.count("max_position_embeddings", 0)) {
    inventory.notes.push_back(
        fmt::format("longrope: {} positions of {}; beyond them the frequencies of all positions change, also of those "
                    "that are cached",
                    inventory.context, config.count("max_position_embeddings", 0)));
  }
  inventory.tied = config.boolean("tie_word_embeddings", tied_fallback);
  return inventory;
}

void read_experts(const ConfigReader& config, Inventory& inventory, std::string_view experts_key) {
  inventory.experts = static_cast<int>(size_of(config, experts_key));
  inventory.experts_per_token = config.count("num_experts_per_tok");
  expect_experts_per_token(config, inventory.experts_per_token, inventory.experts);
}

void expect_experts_per_token(const ConfigReader& config, int per_token, int experts) {
  if (per_token <= experts) return;
  throw Error("{}: 'num_experts_per_tok' is {}: {} experts per token of {} experts", config.origin(), per_token,
              per_token, experts);
}

void add(Inventory& inventory, std::string name, std::initializer_list<std::int64_t> shape, std::int64_t copies) {
  if (std::ranges::any_of(shape, [](std::int64_t size) { return size < 1; })) {
    throw Error("{}: the shape of '{}' is [{}]; is a size missing there?", inventory.origin, name,
                fmt::join(shape, ", "));
  }
  std::int64_t elements = copies;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(elements, size, &elements) || elements > kMostElements) {
      throw Error("{}: '{}' of [{}], {} times, would be larger than any model's; is the file damaged?",
                  inventory.origin, name, fmt::join(shape, ", "), copies);
    }
  }
  inventory.tensors.push_back({std::move(name), shape, copies});
}

void add_embedding_and_head(Inventory& inventory, const std::string& embedding, const std::string& head) {
  add(inventory, embedding + ".weight", {inventory.vocab, inventory.hidden});
  if (!inventory.tied) add(inventory, head + ".weight", {inventory.vocab, inventory.hidden});
}

void add_swiglu(Inventory& inventory, const std::string& path, std::int64_t width, bool biased) {
  const std::int64_t copies = holds(path, "*") ? inventory.experts : 1;
  for (const char* name : {".gate_proj", ".up_proj"}) {
    add(inventory, path + name + ".weight", {width, inventory.hidden}, copies);
    if (biased) add(inventory, path + name + ".bias", {width}, copies);
  }
  add(inventory, path + ".down_proj.weight", {inventory.hidden, width}, copies);
  if (biased) add(inventory, path + ".down_proj.bias", {inventory.hidden}, copies);
}

GqaShape read_gqa(const ConfigReader& config, std::int64_t head_dim_fallback) {
  GqaShape gqa;
  gqa.heads = size_of(config, "num_attention_heads");
  gqa.kv_heads = size_of(config, "num_key_value_heads", gqa.heads);
  if (head_dim_fallback == 0) head_dim_fallback = std::max<std::int64_t>(1, size_of(config, "hidden_size") / gqa.heads);
  gqa.head_dim = size_of(config, "head_dim", head_dim_fallback);
  return gqa;
}

void add_gqa(Inventory& inventory, const std::string& path, const GqaShape& gqa, Keeps keeps) {
  const std::int64_t kv = gqa.kv_heads * gqa.head_dim;
  const std::int64_t q = gqa.heads * gqa.head_dim;
  const auto project = [&](const std::string& name, std::int64_t out, std::int64_t in, bool biased) {
    add(inventory, path + name + ".weight", {out, in});
    if (biased) add(inventory, path + name + ".bias", {out});
  };
  project(".q_proj", q * gqa.query_parts, inventory.hidden, gqa.qkv_bias);
  project(".k_proj", kv, inventory.hidden, gqa.qkv_bias);
  project(".v_proj", kv, inventory.hidden, gqa.qkv_bias);
  project(".o_proj", inventory.hidden, q, gqa.output_bias);
  if (gqa.qk_norm) {
    add(inventory, path + ".q_norm.weight", {gqa.head_dim});
    add(inventory, path + ".k_norm.weight", {gqa.head_dim});
  }
  const std::int64_t kept = keeps == Keeps::nothing ? 0 : product(inventory, {2, kv});
  inventory.cache.per_position += kept;
  if (keeps == Keeps::window) inventory.cache.windowed += kept;
}

std::vector<bool> windowed_layers(const ConfigReader& config, Inventory& inventory) {
  const LayerWindows windows = read_windows(config, inventory.layers);
  inventory.cache.window = windows.size;
  return windows.layers;
}

std::int64_t product(const Inventory& inventory, std::initializer_list<std::int64_t> sizes) {
  std::int64_t values = 1;
  for (const std::int64_t size : sizes) {
    if (__builtin_mul_overflow(values, size, &values) || values > kMostKept) {
      throw Error("{}: a layer would keep {} values; is the file damaged?", inventory.origin, fmt::join(sizes, " x "));
    }
  }
  return values;
}

void add_deepseek_mtp(Inventory& inventory, const std::string& path) {
  for (const char* norm : {".enorm", ".hnorm", ".shared_head.norm"}) {
    add(inventory, path + norm + ".weight", {inventory.hidden});
  }
  add(inventory, path + ".eh_proj.weight", {inventory.hidden, 2L * inventory.hidden});
}

void add_mtp_copies(Inventory& inventory, const std::string& path) {
  for (const char* name : {".embed_tokens.weight", ".shared_head.head.weight"}) inventory.copies.push_back(path + name);
}

}  // namespace specdec

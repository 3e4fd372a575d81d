#include "experiments/inspect.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>
#include <set>

#include "core/arch.h"
#include "core/checkpoint.h"
#include "core/contradictions.h"
#include "core/declared_storage.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/files/safetensors.h"
#include "core/panel_store.h"
#include "core/weights.h"
#include "draft/drafter.h"
#include "experiments/machine.h"
#include "experiments/stored_names.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWeight = ".weight";

void add_once(std::vector<std::string>& lines, const std::string& line) {
  if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
}

// Where things lie: a checkpoint, or a config.json alone.
struct Source {
  fs::path path;
  bool config = true, checkpoint = true, weights = true;

  fs::path directory() const { return fs::is_directory(path) ? path : path.parent_path(); }
};

bool is_safetensors(const fs::path& path) {
  return fs::is_directory(path) && checkpoint_kind(path).name == "safetensors";
}

Source find_source(const std::string& model) {
  if (fs::is_regular_file(model) && fs::path(model).extension() == ".json") {
    return {.path = model, .checkpoint = false, .weights = false};
  }
  Source source{.path = resolve_model(model)};
  if (!is_safetensors(source.path)) return source;
  source.config = fs::exists(source.path / "config.json");
  source.weights = holds_safetensors(source.path);
  if (!source.config && !source.weights) {
    throw Error("{}: holds no config.json and no safetensors; expected a checkpoint", source.path.string());
  }
  return source;
}

// Of the index, if there is one, or where links point to: reading the checkpoint would end with the first.
std::vector<std::string> missing_shards(const fs::path& directory) {
  std::vector<std::string> missing;
  if (!is_safetensors(directory)) return missing;
  auto shards = indexed_shards(directory);
  if (shards.empty() && !fs::exists(directory / "model.safetensors")) {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".safetensors") shards[entry.path()];
    }
  }
  for (const auto& [path, tensors] : shards) {
    if (fs::exists(path)) continue;
    missing.push_back(fmt::format("{}: missing{}{}; fetch the checkpoint again", path.string(),
                                  fs::is_symlink(path) ? " where the link points" : "",
                                  tensors.empty() ? "" : fmt::format(", with {} tensors", tensors.size())));
  }
  return missing;
}

std::string text_of(const WeightFile& file) {
  const std::vector<fs::path> paths = file.paths();
  const auto links = std::ranges::count_if(paths, [](const fs::path& path) { return fs::is_symlink(path); });
  return fmt::format("{} {} {}{}", paths.size(), checkpoint_kind(file.directory()).name,
                     paths.size() == 1 ? "file" : "files", links > 0 ? fmt::format(", {} of them links", links) : "");
}

// "a.b.weight", "a.b.scales" and "a.b_blocks" are parts of "a.b".
std::string map_of(std::string_view name) {
  for (const std::string_view part :
       {".weight", ".scales", ".biases", ".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point",
        ".weight_g_idx", ".weight_scale_inv", ".weight_scale_2", ".weight_global_scale", ".input_scale",
        ".input_global_scale", "_blocks", "_scales"}) {
    if (name.ends_with(part)) return std::string(name.substr(0, name.size() - part.size()));
  }
  return std::string(name);
}

std::string text_of(const QuantFormat& format, const Weight& weight) {
  const std::string name(format.name);
  if (weight.bits == 0 || weight.group == 0 || name.find(std::to_string(weight.bits)) != name.npos) return name;
  return fmt::format("{}{}g{}", name, weight.bits, weight.group);
}

// Under which names a map of the inventory may be stored, with the shape it then has.
struct Stored {
  std::string path;
  std::vector<std::int64_t> shape;
};
std::vector<Stored> ways_of(const TensorSpec& tensor) {
  std::string path = tensor.name;
  if (path.ends_with(kWeight)) path.resize(path.size() - kWeight.size());
  const std::size_t star = path.find('*');
  if (star == std::string::npos) return {{path, tensor.shape}};
  std::vector<std::int64_t> stacked = tensor.shape;
  stacked.insert(stacked.begin(), tensor.copies);
  std::string mlx = path;
  std::vector<Stored> ways{
      {mlx.replace(mlx.find("experts.*"), std::string_view("experts.*").size(), "switch_mlp"), stacked}};
  for (std::int64_t copy = 0; copy < tensor.copies; ++copy) {
    std::string one = path;
    ways.push_back({one.replace(star, 1, std::to_string(copy)), tensor.shape});
  }
  return ways;
}

// The same of all experts in one, where gate and up may be together: what Weight has no name for in an inventory of
// experts apart.
std::vector<Stored> fused_of(const TensorSpec& tensor) {
  struct Fusion {
    std::string_view apart, fused;
    std::int64_t parts;
  };
  constexpr std::array<Fusion, 5> kFusions{{{".experts.*.gate_proj.weight", ".experts.gate_up_proj", 2},
                                            {".experts.*.up_proj.weight", ".experts.up_proj", 1},
                                            {".experts.*.down_proj.weight", ".experts.down_proj", 1},
                                            {".block_sparse_moe.experts.*.w1.weight", ".mlp.experts.gate_up_proj", 2},
                                            {".block_sparse_moe.experts.*.w2.weight", ".mlp.experts.down_proj", 1}}};
  std::vector<Stored> ways;
  for (const auto& [apart, fused, parts] : kFusions) {
    if (!tensor.name.ends_with(apart)) continue;
    ways.push_back({tensor.name.substr(0, tensor.name.size() - apart.size()) + std::string(fused),
                    {tensor.copies, parts * tensor.shape.front(), tensor.shape.back()}});
  }
  return ways;
}

// What weights take in memory beyond what they are stored in: codes of 2 and 3 bits have room in 4 there, those of 6
// in 8, and rows are filled up to whole panels.
struct Packing {
  std::int64_t more = 0;
  std::map<int, std::int64_t> routed;  // of it, the experts of each layer
};

class Look {
 public:
  Look(const fs::path& directory, Inspection& found) : found_(found), file_(WeightFile::unpacked(directory)) {}

  void look(const std::optional<ConfigReader>& config) {
    CheckpointTensors stored;
    stored.files = text_of(file_);
    find_formats();
    const int layers = trunk_layers(config);
    for (const auto& [name, tensor] : file_.tensors()) count(name, *tensor, layers, stored);
    find_unused(stored);
    found_.stored = std::move(stored);
  }

  Shapes shapes() const {
    Shapes shapes;
    for (const auto& [name, tensor] : file_.tensors()) shapes.emplace(name, tensor->shape);
    return shapes;
  }

  // The inventory's counts with the bytes that are stored.
  void count_stored(Account& account) const {
    const Inventory& inventory = *found_.inventory;
    StoredBytes bytes, mtp;
    bytes.routed.resize(static_cast<std::size_t>(inventory.layers));
    std::int64_t draft_ids = 0;  // of an MTP layer whose head is over some tokens
    for (const auto& [name, tensor] : file_.tensors()) {
      const Place place = place_of(name, inventory.layers);
      const auto size = static_cast<std::int64_t>(tensor->bytes);
      mtp.add_first_mtp(place, inventory.layers, size);
      if (name.ends_with(".shared_head.d2t")) draft_ids = tensor->elements();
      if (!place.mtp && !is_beside(name)) bytes.add(place, size);
    }
    const std::int64_t embedding = bytes.of(Group::embedding);
    account.weights = bytes.weights(inventory.experts, inventory.tied ? embedding : bytes.of(Group::head),
                                    embedding / inventory.vocab);
    const std::int64_t head = account.weights.head;
    account.mtp_weights = mtp.weights(inventory.experts, draft_ids > 0 ? head / inventory.vocab * draft_ids : head,
                                      account.weights.embedding_row);
    for (std::size_t group = 0; group < kGroups; ++group) {
      take(found_.stored->trunk[group], account.trunk[group]);
      take(found_.stored->mtp[group], account.mtp[group]);
    }
  }

  // Where a block of config.json means other bytes than are stored.
  void compare(const std::vector<DeclaredStorage>& declared) {
    std::map<std::string, std::int64_t, std::less<>> bytes;
    for (const auto& [name, tensor] : file_.tensors()) bytes[map_of(name)] += static_cast<std::int64_t>(tensor->bytes);
    constexpr std::int64_t kConstants = 64;  // of a whole tensor, which blocks do not tell
    for (const DeclaredStorage& block : declared) {
      std::int64_t others = 0;
      std::string first;
      for (const TensorSpec& tensor : found_.inventory->tensors) {
        const Place place = place_of(tensor.name, found_.inventory->layers);
        if (!tensor.is_matrix() || place.mtp || place.group == Group::other) continue;
        const Storage storage = block.rule(tensor, place.group);
        for (const Stored& way : ways_of(tensor)) {
          const auto stored = bytes.find(way.path);
          if (stored == bytes.end() || std::abs(stored->second - storage.bytes(way.shape)) <= kConstants) continue;
          if (others++ == 0) {
            first = fmt::format("'{}' by it is {} of {} bytes, but {} are stored", way.path, storage.name,
                                storage.bytes(way.shape), stored->second);
          }
        }
      }
      if (others == 0) continue;
      add_once(found_.notes, fmt::format("'{}' ({}) does not describe {} of the tensors: {}; the tensors decide",
                                         block.block, block.method, others, first));
    }
  }

  const Packing& packing() const { return packing_; }

  std::int64_t mtp_bytes() const {
    std::int64_t bytes = 0;
    for (const StoredGroup& group : found_.stored->mtp) bytes += group.bytes;
    return bytes;
  }

 private:
  static bool is_beside(std::string_view name) {
    return std::ranges::any_of(std::array{"vision", "visual", "mm_projector", "multi_modal_projector", "audio"},
                               [&](std::string_view part) { return name.find(part) != name.npos; });
  }

  // What some writers store though it follows from the rest, and what an MTP layer may have of its own.
  bool is_spare(std::string_view name) const {
    const bool head_again = found_.inventory->tied && place_of(name, found_.inventory->layers).group == Group::head;
    return head_again || name.find("rotary_emb.inv_freq") != name.npos || name.find(".shared_head.") != name.npos ||
           (place_of(name, found_.inventory->layers).mtp && name.find(".embed_tokens.") != name.npos);
  }

  static void take(const StoredGroup& stored, GroupCount& count) {
    count.tensors = stored.tensors;
    count.bytes = stored.bytes;
    if (stored.tensors == 0) count.parameters = 0;
  }

  int trunk_layers(const std::optional<ConfigReader>& config) const {
    if (found_.inventory) return found_.inventory->layers;
    return config ? text_part(*config).count("num_hidden_layers", std::numeric_limits<int>::max())
                  : std::numeric_limits<int>::max();
  }

  // Opens every map of the inventory that is there, as loading would.
  void find_formats() {
    if (!found_.inventory) return;
    respell_as_stored(*found_.inventory, file_);
    for (const TensorSpec& tensor : found_.inventory->tensors) {
      known_.insert(tensor.name);
      for (const Stored& way : ways_of(tensor)) open(tensor, way);
      for (const Stored& way : fused_of(tensor)) open(tensor, way);
    }
  }

  void open(const TensorSpec& tensor, const Stored& way) {
    if (!file_.has(way.path) && !file_.has_prefix(way.path + ".") && !file_.has_prefix(way.path + "_")) return;
    known_.insert(way.path);
    if (!tensor.is_matrix() || place_of(tensor.name, found_.inventory->layers).group == Group::other) return;
    std::vector<std::int64_t> shape = way.shape;
    // What gpt-oss stores unquantised is input by input; its bytes are the same.
    if (found_.inventory->model_type == "gpt_oss" && file_.has(way.path) && shape.size() == 3)
      std::swap(shape[1], shape[2]);
    try {
      for (const QuantFormat& format : quant_formats()) {
        std::optional<Weight> weight = format.open(file_, way.path, shape);
        if (!weight) continue;
        formats_[way.path] = text_of(format, *weight);
        weight->format = &format;
        lay_out(*weight);
        count_packing(place_of(tensor.name, found_.inventory->layers), packed_bytes(*weight) - weight->bytes());
      }
    } catch (const Error& error) {
      if (failed_++ == 0) add_once(found_.refusals, error.what());
    }
  }

  void count_packing(const Place& place, std::int64_t more) {
    if (place.group == Group::embedding && !found_.inventory->tied) return;  // rows are looked up as they are stored
    packing_.more += more;
    if (place.group == Group::routed) packing_.routed[place.layer] += more;
  }

  void count(const std::string& name, const StoredTensor& tensor, int layers, CheckpointTensors& stored) const {
    const Place place = place_of(name, layers);
    const auto group = static_cast<std::size_t>(place.group);
    StoredGroup& into = is_beside(name) ? stored.beside : place.mtp ? stored.mtp[group] : stored.trunk[group];
    const auto bytes = static_cast<std::int64_t>(tensor.bytes);
    ++into.tensors;
    into.bytes += bytes;
    const auto known = formats_.find(map_of(name));
    into.bytes_of_format[known != formats_.end() ? known->second : std::string(name_of(tensor.dtype))] += bytes;
  }

  void find_unused(CheckpointTensors& stored) const {
    if (!found_.inventory) return;
    for (const auto& [name, tensor] : file_.tensors()) {
      const std::string map = map_of(name);
      if (!known_.contains(name) && !known_.contains(map) && !is_beside(name) && !is_spare(name)) {
        stored.unused.push_back(name);
      }
    }
  }

  Inspection& found_;
  WeightFile file_;
  std::map<std::string, std::string, std::less<>> formats_;  // of maps that are opened
  std::set<std::string, std::less<>> known_;                 // names and maps of the inventory
  Packing packing_;
  int failed_ = 0;
};

// What reading config.json alone would be refused with.
void check_config(const ConfigReader& config, Inspection& found) {
  for (const std::string& line : contradictions(config)) add_once(found.refusals, line);
  try {
    find_architecture(config).describe(config);
  } catch (const Error& error) {
    add_once(found.refusals, error.what());
  }
}

std::vector<DeclaredStorage> declared_by(const ConfigReader& config, const std::optional<fs::path>& directory,
                                         Inspection& found) {
  std::vector<DeclaredStorage> declared;
  try {
    declared = declared_storages(config);
    const fs::path modelopt = directory ? *directory / "hf_quant_config.json" : fs::path();
    if (declared.empty() && fs::exists(modelopt)) declared.push_back(modelopt_storage(ConfigReader::of_file(modelopt)));
  } catch (const Error& error) {
    found.notes.emplace_back(error.what());
  }
  for (const DeclaredStorage& block : declared) {
    for (const std::string& note : block.notes) add_once(found.notes, note);
  }
  return declared;
}

void count_config(const InspectOptions& options, const ConfigReader& config,
                  const std::vector<DeclaredStorage>& declared, Inspection& found) {
  if (options.experts || options.rest) {
    const std::string rest = options.rest.value_or("bf16");
    const std::string experts = options.experts.value_or(rest);
    found.account = account_of(*found.inventory, uniform_storage(parse_storage(experts), parse_storage(rest)));
    found.formats =
        fmt::format("as asked for: routed experts {}, the rest {}; routers and small tensors bf16", experts, rest);
    return;
  }
  found.account = account_of(*found.inventory, declared.empty() ? trained_storage(config) : declared.front().rule);
  found.formats = declared.empty() ? "as trained: config.json names no quantization"
                                   : fmt::format("by '{}': {}", declared.front().block, declared.front().method);
  for (std::size_t i = 1; i < declared.size(); ++i) {
    const Account other = account_of(*found.inventory, declared[i].rule);
    if (other.weights.total == found.account->weights.total) continue;
    found.notes.push_back(fmt::format("'{}' ({}) means {} bytes of weights, but '{}' ({}) {}: the tensors decide",
                                      declared.front().block, declared.front().method, found.account->weights.total,
                                      declared[i].block, declared[i].method, other.weights.total));
  }
}

void count(const InspectOptions& options, const ConfigReader& config, const std::vector<DeclaredStorage>& declared,
           Look* look, Inspection& found) {
  found.notes.insert(found.notes.end(), found.inventory->notes.begin(), found.inventory->notes.end());
  count_config(options, config, declared, found);
  if (look == nullptr) return;
  look->compare(declared);
  if (options.experts || options.rest) return;
  look->count_stored(*found.account);
  found.formats = "as stored";
}

// Its config.json describes a layer of its own, not a model.
void refuse_head(Inspection& found) {
  found.inventory.reset();
  std::vector<std::string_view> kinds;
  for (const DrafterKind& kind : drafter_kinds()) kinds.push_back(kind.name);
  found.refusals.push_back(
      fmt::format("{}: is no model by itself but one to guess with ({}); this version guesses with: {}", found.path,
                  name_of(found.recognised.role), fmt::join(kinds, ", ")));
}

void take(const ConfigReader& config, Inspection& found) {
  found.model_type = config.text("model_type", "");
  if (!has_inventory(found.model_type)) return;
  try {
    found.inventory = take_inventory(config);
  } catch (const Error& error) {
    add_once(found.refusals, error.what());
  }
}

void check_loading(const fs::path& directory, Inspection& found) {
  try {
    Engine engine({.threads = 1});
    check_model(directory, engine);
  } catch (const Error& error) {
    add_once(found.refusals, error.what());
  }
}

void check_mtp(const Look& look, const ConfigReader& config, Inspection& found) {
  const ConfigReader text = text_part(config);
  const int declared = text.count(text.first_of({"num_nextn_predict_layers", "mtp_num_hidden_layers"}), 0);
  if (declared > 0 && look.mtp_bytes() == 0) {
    found.notes.push_back(fmt::format(
        "config.json names {} layers for several tokens (MTP), but none is stored: conversions by MLX leave them out",
        declared));
  }
}

Fit fit_of(const InspectOptions& options, const Inspection& found, const Packing& packing) {
  Fit fit{.memory_bytes = options.memory_bytes};
  if (fit.memory_bytes == 0) {
    fit.memory_bytes = this_machine().memory_bytes;
    fit.of_this_machine = true;
  }
  const CacheShape& cache = found.inventory->cache;
  fit.weight_bytes = found.account->weights.total;
  const std::vector<std::int64_t>& expert = found.account->weights.expert;
  std::int64_t experts = std::accumulate(expert.begin(), expert.end(), std::int64_t{0}) * found.inventory->experts;
  if (found.stored) {
    fit.weight_bytes += sum_of(found.account->mtp).bytes;
    experts += found.account->mtp[static_cast<std::size_t>(Group::routed)].bytes;
  }
  // A table that is the head, too, is packed for that, and kept as it is stored.
  const std::int64_t kept =
      found.inventory->tied ? found.account->trunk[static_cast<std::size_t>(Group::embedding)].bytes : 0;
  fit.packing_bytes = packing.more + kept;
  fit.weight_bytes += fit.packing_bytes;
  std::int64_t layer = 0;  // the largest
  for (std::size_t i = 0; i < expert.size(); ++i) {
    const auto packed = packing.routed.find(static_cast<int>(i));
    const std::int64_t more = packed == packing.routed.end() ? 0 : packed->second;
    layer = std::max(layer, expert[i] * found.inventory->experts + more);
  }
  for (const auto& [of_layer, more] : packing.routed) experts += more;
  fit.least_bytes = fit.weight_bytes - experts + layer;
  fit.cache_bytes = cache.kept_at(found.context);
  fit.experts_on_disk = fit.least_bytes < fit.weight_bytes && fit.memory_bytes < fit.weight_bytes + fit.cache_bytes;
  const std::int64_t left = fit.memory_bytes - (fit.experts_on_disk ? fit.least_bytes : fit.weight_bytes);
  std::int64_t below = 0, above = std::int64_t{1} << 24;
  while (below + 1 < above) {
    const std::int64_t middle = (below + above) / 2;
    (cache.kept_at(middle) <= left ? below : above) = middle;
  }
  fit.most_context = below;
  return fit;
}

void check_fit(Inspection& found) {
  const Fit& fit = *found.fit;
  if (fit.memory_bytes == 0 || fit.weight_bytes + fit.cache_bytes <= fit.memory_bytes) return;
  std::string what =
      fmt::format("{:.1f} GiB of weights and {:.1f} GiB of cache at {} tokens do not fit the {:.1f} GiB of {}",
                  gib(fit.weight_bytes), gib(fit.cache_bytes), found.context, gib(fit.memory_bytes),
                  fit.of_this_machine ? "this machine" : "--memory");
  if (fit.experts_on_disk && fit.least_bytes + fit.cache_bytes <= fit.memory_bytes) {
    found.notes.push_back(
        fmt::format("{}: routed experts would be read from disk when a pass wants them, {:.1f} GiB always be there",
                    what, gib(fit.least_bytes)));
    return;
  }
  if (fit.experts_on_disk) {
    what += fmt::format("; with routed experts on disk {:.1f} GiB and the cache would have to", gib(fit.least_bytes));
  }
  found.refusals.push_back(what);
}

void count_memory(const InspectOptions& options, const Packing& packing, Inspection& found) {
  const int made_for = found.inventory->context;
  found.context = std::min(options.context, made_for > 0 ? made_for : options.context);
  found.fit = fit_of(options, found, packing);
  check_fit(found);
}

}  // namespace

Inspection inspect(const ConfigReader& config, const InspectOptions& options) {
  Inspection found;
  found.name = found.path = options.model;
  const std::vector<DeclaredStorage> declared = declared_by(config, std::nullopt, found);
  take(config, found);
  found.recognised = recognise(config, found.inventory ? &*found.inventory : nullptr);
  if (is_head(found.recognised.role)) {
    refuse_head(found);
    return found;
  }
  if (found.inventory) count(options, config, declared, nullptr, found);
  check_config(config, found);
  if (found.inventory) count_memory(options, {}, found);
  return found;
}

Inspection inspect(const InspectOptions& options) {
  const Source source = find_source(options.model);
  Inspection found;
  found.name = options.model;
  found.path = source.path.string();
  std::optional<ConfigReader> config;
  std::vector<DeclaredStorage> declared;
  if (source.config) {
    config = source.checkpoint ? read_config(source.path) : ConfigReader::of_file(source.path);
    declared = declared_by(*config, source.directory(), found);
    take(*config, found);
    found.recognised = recognise(*config, found.inventory ? &*found.inventory : nullptr);
  } else {
    found.refusals.push_back(fmt::format("{}: holds no config.json", found.path));
  }
  std::optional<Look> look;
  if (source.weights) {
    const std::vector<std::string> missing = missing_shards(source.path);
    found.refusals.insert(found.refusals.end(), missing.begin(), missing.end());
    if (missing.empty()) {
      look.emplace(source.path, found);
      found.recognised = recognise(look->shapes(), found.inventory ? &*found.inventory : nullptr);
    }
    if (is_head(found.recognised.role)) found.inventory.reset();
    if (look) look->look(config);
  }
  if (is_head(found.recognised.role)) {
    refuse_head(found);
    return found;
  }
  if (found.inventory) count(options, *config, declared, look ? &*look : nullptr, found);
  if (config) check_config(*config, found);
  if (config && look) check_mtp(*look, *config, found);
  if (config && source.checkpoint) check_loading(source.path, found);
  if (found.inventory) {
    const bool as_stored = look && !options.experts && !options.rest;
    count_memory(options, as_stored ? look->packing() : Packing{}, found);
  }
  return found;
}

}  // namespace specdec

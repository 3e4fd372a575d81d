#include "experiments/synth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/arch.h"
#include "core/batch.h"
#include "core/error.h"
#include "core/files/json.h"
#include "core/files/output_file.h"
#include "core/files/safetensors.h"
#include "core/pool.h"
#include "core/rng.h"
#include "core/traffic.h"
#include "experiments/pass_meter.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

struct Storage {
  std::string name;
  DType dtype = DType::bf16;  // of the values, or of the scales
  int bits = 0, group = 0;    // of an affine format; 0 = plain
  bool affine() const { return bits > 0; }
};

Storage parse_storage(const std::string& name) {
  for (const auto& [plain, dtype] : {std::pair{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}}) {
    if (name == plain) return {name, dtype, 0, 0};
  }
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) {
      if (name == fmt::format("affine{}g{}", bits, group)) return {name, DType::bf16, bits, group};
    }
  }
  throw UsageError(
      "no weight format is called '{}'; there are: f32, f16, bf16, and affine<bits>g<group> with 2, 3, 4, 5, 6 or 8 "
      "bits and groups of 32, 64 or 128, such as affine4g64",
      name);
}

// A random word of a tensor is (bits & keep) ^ flip.
struct Pattern {
  std::uint64_t keep = ~std::uint64_t{0}, flip = 0;
};

enum class Sign { random, plus, opposite };  // opposite: of the tensor that the same numbers made with Sign::random

// Random floats of one binade, 2^exponent and up, with so many random bits of mantissa.
Pattern floats(DType dtype, int exponent, Sign sign, int mantissa_bits = 52) {
  const int width = static_cast<int>(bytes_of(dtype)) * 8;
  const int mantissa = dtype == DType::f32 ? 23 : dtype == DType::f16 ? 10 : 7;
  const int bias = (1 << (width - mantissa - 2)) - 1;
  const std::uint64_t sign_bit = std::uint64_t{1} << (width - 1);
  const std::uint64_t kept = std::min(mantissa_bits, mantissa);
  const std::uint64_t biased = static_cast<std::uint64_t>(std::max(1, exponent + bias));
  std::uint64_t keep = ((std::uint64_t{1} << kept) - 1) | (sign == Sign::plus ? 0 : sign_bit);
  std::uint64_t flip = (biased << mantissa) | (sign == Sign::opposite ? sign_bit : 0);
  for (int filled = width; filled < 64; filled *= 2) {
    keep |= keep << filled;
    flip |= flip << filled;
  }
  return {keep, flip};
}

// The exponent of floats() whose root mean square is about `rms`.
int exponent_of(double rms) { return static_cast<int>(std::lround(std::log2(rms / std::sqrt(7.0 / 3.0)))); }

struct Filling {
  Pattern pattern;
  std::uint64_t stream = 0;  // of the seed
};

// Learns the tensors of an architecture from what its loader asks for, and says how to fill them.
class RandomPlan : public WeightPlan {
 public:
  RandomPlan(Storage experts, Storage rest) : experts_(std::move(experts)), rest_(std::move(rest)) {}

  // Experts stacked as MLX does it, if they are MLX affine; one by one otherwise. Everything else that may be left out
  // is.
  bool has_prefix(std::string_view prefix) const override {
    return experts_.affine() && prefix.ends_with(".switch_mlp.");
  }

  std::vector<StoredTensor> linear(const std::string& path, std::span<const std::int64_t> shape) override {
    const Storage& storage = storage_of(path);
    // Products keep the size of normalised inputs. The embedding is larger than what the layers add to it: else
    // attention makes all rows of a text alike, and they choose the same experts.
    constexpr double kEmbedding = 32;
    const double rms = path.ends_with("embed_tokens") ? kEmbedding : 1 / std::sqrt(static_cast<double>(shape.back()));
    const std::size_t first = tensors_.size();
    linears_.push_back(path);
    if (!storage.affine()) {
      add(path + ".weight", storage.dtype, {shape.begin(), shape.end()},
          floats(storage.dtype, exponent_of(rms), Sign::random));
      return {tensors_.begin() + static_cast<std::ptrdiff_t>(first), tensors_.end()};
    }
    if (shape.back() % storage.group != 0) {
      throw Error("'{}' has {} inputs, which is no multiple of the group of {}; choose a format of another group", path,
                  shape.back(), storage.name);
    }
    std::vector<std::int64_t> words(shape.begin(), shape.end());
    words.back() = words.back() * storage.bits / 32;
    add(path + ".weight", DType::u32, words, {});
    const int scale = exponent_of(rms * std::sqrt(12.0) / std::exp2(storage.bits));
    std::vector<std::int64_t> groups(shape.begin(), shape.end());
    groups.back() /= storage.group;
    add(path + ".scales", storage.dtype, groups, floats(storage.dtype, scale, Sign::random));
    const std::uint64_t stream = fillings_.back().stream;
    add(path + ".biases", storage.dtype, groups, floats(storage.dtype, scale + storage.bits - 1, Sign::opposite));
    fillings_.back().stream = stream;
    return {tensors_.begin() + static_cast<std::ptrdiff_t>(first), tensors_.end()};
  }

  StoredTensor vector(const std::string& name, std::int64_t size) override {
    const bool bias = name.ends_with("bias");
    add(name, rest_.dtype, {size},
        bias ? floats(rest_.dtype, -7, Sign::random) : floats(rest_.dtype, 0, Sign::plus, 4));
    return tensors_.back();
  }

  std::span<const StoredTensor> tensors() const { return tensors_; }
  const Filling& filling(const StoredTensor& tensor) const {
    return fillings_[static_cast<std::size_t>(&tensor - tensors_.data())];
  }

  // How mlx.nn.quantize is told what is stored how: one rule, and the matrices that differ from it.
  nlohmann::json quantization() const {
    if (!rest_.affine() && !experts_.affine()) return nullptr;
    const Storage& rule = rest_.affine() ? rest_ : experts_;
    nlohmann::json json{{"group_size", rule.group}, {"bits", rule.bits}, {"mode", "affine"}};
    for (const std::string& path : linears_) {
      const Storage& storage = storage_of(path);
      if (storage.name == rule.name) continue;
      json[path] = false;
      if (storage.affine()) json[path] = {{"group_size", storage.group}, {"bits", storage.bits}};
    }
    return json;
  }

 private:
  const Storage& storage_of(std::string_view path) const {
    const bool expert = path.find(".switch_mlp.") != path.npos || path.find(".experts.") != path.npos;
    return expert ? experts_ : rest_;
  }

  void add(std::string name, DType dtype, std::vector<std::int64_t> shape, const Pattern& pattern) {
    std::size_t bytes = bytes_of(dtype);
    for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
    fillings_.push_back({pattern, fillings_.size()});
    tensors_.push_back({std::move(name), dtype, std::move(shape), nullptr, bytes});
  }

  Storage experts_, rest_;
  std::vector<StoredTensor> tensors_;  // as asked for
  std::vector<Filling> fillings_;      // of the same
  std::vector<std::string> linears_;
};

nlohmann::json read_config(const SynthOptions& options) {
  const std::string origin = options.like.string();
  nlohmann::json config = parse_json(MappedFile(options.like).text(), origin);
  if (!config.is_object()) throw Error("{}: expected a JSON object", origin);
  if (options.layers == 0) return config;
  config["num_hidden_layers"] = options.layers;
  for (const char* key : {"layer_types", "mlp_layer_types"}) {
    if (!config.contains(key) || !config[key].is_array()) continue;
    nlohmann::json& list = config[key];
    if (list.size() < static_cast<std::size_t>(options.layers)) {
      throw Error("{}: '{}' lists {} layers, which is less than the {} asked for", origin, key, list.size(),
                  options.layers);
    }
    list.erase(list.begin() + options.layers, list.end());
  }
  return config;
}

class RandomWriter {
 public:
  RandomWriter(const RandomPlan& plan, std::uint64_t seed, Pool& pool) : plan_(plan), rng_(seed), pool_(pool) {}

  void write(const fs::path& path, std::span<const StoredTensor> tensors) {
    SafetensorsWriter writer(path, tensors);
    for (const StoredTensor* tensor : writer.order()) {
      const Filling& filling = plan_.filling(*tensor);
      for (std::size_t done = 0; done < tensor->bytes; done += kPiece * kWord) {
        const std::size_t bytes = std::min(tensor->bytes - done, kPiece * kWord);
        fill(filling, done / kWord, (bytes + kWord - 1) / kWord);
        writer.write(std::as_bytes(std::span(words_)).first(bytes));
      }
    }
    writer.close();
  }

 private:
  static constexpr std::size_t kWord = sizeof(std::uint64_t);
  static constexpr std::size_t kPiece = std::size_t{4} << 20;    // words generated before they are written
  static constexpr std::size_t kOfTask = std::size_t{64} << 10;  // of them, by one thread at a time

  void fill(const Filling& filling, std::size_t first, std::size_t count) {
    words_.resize(kPiece);
    const Rng rng = rng_.fork(filling.stream);
    pool_.for_each(static_cast<std::int64_t>((count + kOfTask - 1) / kOfTask), [&](std::int64_t task) {
      const std::size_t begin = static_cast<std::size_t>(task) * kOfTask;
      for (std::size_t i = begin; i < std::min(begin + kOfTask, count); ++i) {
        words_[i] = (rng.bits(first + i) & filling.pattern.keep) ^ filling.pattern.flip;
      }
    });
  }

  const RandomPlan& plan_;
  Rng rng_;
  Pool& pool_;
  std::vector<std::uint64_t> words_;
};

// Consecutive tensors that go into one file, as the hub splits large checkpoints.
std::vector<std::span<const StoredTensor>> shards_of(std::span<const StoredTensor> tensors, std::int64_t most_bytes) {
  std::vector<std::span<const StoredTensor>> shards;
  std::size_t first = 0, bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i > first && bytes + tensors[i].bytes > static_cast<std::size_t>(most_bytes)) {
      shards.push_back(tensors.subspan(first, i - first));
      first = i;
      bytes = 0;
    }
    bytes += tensors[i].bytes;
  }
  shards.push_back(tensors.subspan(first));
  return shards;
}

void write_weights(std::span<const std::span<const StoredTensor>> shards, std::int64_t bytes, const fs::path& directory,
                   RandomWriter writer) {
  if (shards.size() == 1) return writer.write(directory / "model.safetensors", shards.front());
  nlohmann::json index{{"metadata", {{"total_size", bytes}}}, {"weight_map", nlohmann::json::object()}};
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    writer.write(directory / name, shards[i]);
    for (const StoredTensor& tensor : shards[i]) index["weight_map"][tensor.name] = name;
  }
  write_file(directory / "model.safetensors.index.json", index.dump(1));
}

// A directory that is removed again unless it is kept.
class NewDirectory {
 public:
  explicit NewDirectory(const fs::path& path) : path_(path) {
    std::error_code failed;
    fs::create_directories(path, failed);
    if (failed) throw Error("{}: cannot make this directory: {}", path.string(), failed.message());
  }
  ~NewDirectory() {
    std::error_code ignored;
    if (!kept_) fs::remove_all(path_, ignored);
  }
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

}  // namespace

SynthReport synthesise(const SynthOptions& options, const fs::path& directory, Engine& engine) {
  RandomPlan plan(parse_storage(options.experts), parse_storage(options.rest));
  if (options.layers < 0)
    throw UsageError("{} layers: expected 1 or more, or 0 for as many as the model has", options.layers);
  if (fs::exists(directory)) {
    throw Error("{}: exists already; remove it, or name another directory", directory.string());
  }
  nlohmann::json config = read_config(options);
  const ConfigReader reader(config.dump(), options.like.string());
  const Architecture& architecture = find_architecture(reader);
  const ModelInfo info = architecture.describe(reader);
  architecture.load(reader, WeightFile(options.like.parent_path(), plan), info, engine);

  SynthReport report{.tensors = static_cast<std::int64_t>(plan.tensors().size()), .layers = info.layers};
  for (const StoredTensor& tensor : plan.tensors()) report.bytes += static_cast<std::int64_t>(tensor.bytes);
  const auto shards = shards_of(plan.tensors(), options.most_shard_bytes);
  report.files = static_cast<int>(shards.size());

  NewDirectory made(directory);
  const std::uintmax_t room = fs::space(directory).available;
  if (static_cast<std::uintmax_t>(report.bytes) > room) {
    throw Error(
        "{}: the weights take {:.2f} GB, but the disk has room for {:.2f} GB; ask for fewer --layers or fewer bits",
        directory.string(), static_cast<double>(report.bytes) / 1e9, static_cast<double>(room) / 1e9);
  }
  write_weights(shards, report.bytes, directory, RandomWriter(plan, options.seed, engine.pool()));
  config.erase("quantization_config");
  config.erase("quantization");
  if (const nlohmann::json quantization = plan.quantization(); !quantization.is_null()) {
    config["quantization"] = quantization;
  }
  write_file(directory / "config.json", config.dump(2) + "\n");
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

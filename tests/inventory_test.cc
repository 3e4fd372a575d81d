#include "core/inventory.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/arch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/mapped_file.h"
#include "core/traffic.h"
#include "core/weights.h"
#include "tests/error_line.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

fs::path data(const std::string& name) { return fs::path(SPECDEC_SOURCE_DIR "/tests/data") / name; }

Inventory inventory_of(const std::string& config) {
  return take_inventory(ConfigReader::of_file(data("configs/" + config + ".json")));
}

std::int64_t parameters(const Account& account, Group group) {
  return account.trunk[static_cast<std::size_t>(group)].parameters;
}

// shared/reference/model_bytes.py, as tests/data/make_inventory_goldens.py has written down what it says.
const Json& reference() {
  static const Json json = Json::parse(MappedFile(data("inventory.json")).text());
  return json;
}

TEST(Inventory, ParametersAreTheReferences) {
  for (const Json& model : reference()["models"]) {
    SCOPED_TRACE(model["name"].get<std::string>());
    const Inventory inventory = inventory_of(model["config"]);
    const Storage bf16 = parse_storage("bf16");
    const Account account = account_of(inventory, uniform_storage(bf16, bf16));
    const Json& groups = model["groups"];
    EXPECT_EQ(parameters(account, Group::embedding), groups["embed"]);
    EXPECT_EQ(parameters(account, Group::head), inventory.tied ? 0 : groups["head"].get<std::int64_t>());
    EXPECT_EQ(parameters(account, Group::attention), groups["attn"]);
    for (const Group group :
         {Group::indexer, Group::dense, Group::router, Group::shared, Group::latent, Group::routed, Group::other}) {
      EXPECT_EQ(parameters(account, group), groups[std::string(name_of(group))]) << name_of(group);
    }
    EXPECT_EQ(account.total_parameters, model["total"]);
    EXPECT_EQ(account.active_parameters, model["active"]);
    EXPECT_EQ(account.parameters_per_expert, model["per_expert"]);
    EXPECT_EQ(account.routed_layers, model["routed_layers"]);
    const bool unknown = model["config"] == "glm-4.7-flash";  // the reference does not know of its MTP layer
    EXPECT_EQ(sum_of(account.mtp).parameters, unknown ? 643706176 : model["mtp"].get<std::int64_t>());
    EXPECT_EQ(CacheShape::kValueBytes * inventory.cache.per_position, model["kv_bytes"]);
    EXPECT_EQ(CacheShape::kValueBytes * inventory.cache.index_keys, model["index_bytes"]);
    EXPECT_EQ(inventory.cache.state_bytes(), model["state_bytes"]);
  }
}

// Bytes that the reference leaves out, with the reason: it is wrong there.
struct Missing {
  double fixed = 0, routed = 0, embedding = 0;
};
Missing missing_in_reference(const Inventory& inventory, const Storage& experts, const Storage& rest) {
  Missing missing;
  for (const TensorSpec& tensor : inventory.tensors) {
    const Place place = place_of(tensor.name, inventory.layers);
    const bool routed = place.group == Group::routed;
    const auto elements = static_cast<double>(tensor.elements());
    if (place.mtp) continue;
    // Biases of gpt-oss's experts are stored as bf16, but counted there with the 4.25 bits of the codes beside them.
    if (routed && !tensor.is_matrix()) missing.routed += elements * (16 - 4.25) / 8;
    if (!tensor.is_matrix() || place.group == Group::router || place.group == Group::other) continue;
    // A block of FP8 at the edge of a matrix has a whole scale, where the reference counts a part of one.
    const Storage& storage = routed ? experts : rest;
    if (storage.name != "fp8") continue;
    const auto exact = static_cast<double>(storage.bytes(tensor.shape) * tensor.copies);
    (routed                            ? missing.routed
     : place.group == Group::embedding ? missing.embedding
                                       : missing.fixed) += exact - elements * (8 + 32.0 / (128 * 128)) / 8;
  }
  return missing;
}

TEST(Inventory, BytesAreTheReferences) {
  constexpr double kByte = 0.5;
  for (const Json& model : reference()["models"]) {
    const Inventory inventory = inventory_of(model["config"]);
    for (const Json& expected : model["accounts"]) {
      const Storage experts = parse_storage(expected["experts"].get<std::string>());
      const Storage rest = parse_storage(expected["rest"].get<std::string>());
      SCOPED_TRACE(fmt::format("{}, {} and {}", model["name"].get<std::string>(), experts.name, rest.name));
      const Account account = account_of(inventory, uniform_storage(experts, rest));
      const WeightBytes& weights = account.weights;
      const Missing missing = missing_in_reference(inventory, experts, rest);
      const double all_experts = std::max(1, account.routed_layers) * std::max(1.0, 1.0 * inventory.experts);
      EXPECT_NEAR(static_cast<double>(weights.fixed), expected["fixed"].get<double>() + missing.fixed, kByte);
      EXPECT_NEAR(static_cast<double>(weights.expert.empty() ? 0 : weights.expert.back()),
                  expected["expert"].get<double>() + missing.routed / all_experts, kByte);
      EXPECT_NEAR(static_cast<double>(weights.total),
                  expected["total"].get<double>() + missing.fixed + missing.routed + missing.embedding, kByte);
      if (missing.fixed + missing.routed != 0) continue;
      EXPECT_EQ(bytes_of_plain_pass(weights, inventory.experts_per_token) - weights.embedding_row, expected["active"]);
      for (std::size_t i = 0; i < expected["of_rows"].size(); ++i) {
        const double bytes = expected["of_rows"][i];
        EXPECT_NEAR(account.bytes_of_rows(inventory, reference()["rows"][i]), bytes, 1e-12 * bytes);
      }
    }
  }
}

TEST(Inventory, SpellingsOfOneModelAgree) {
  const Storage bf16 = parse_storage("bf16");
  const Account letters = account_of(inventory_of("nemotron-3-super"), uniform_storage(bf16, bf16));
  const Account lists = account_of(inventory_of("nemotron-3-super-lists"), uniform_storage(bf16, bf16));
  EXPECT_EQ(letters.total_parameters, lists.total_parameters);
  EXPECT_EQ(sum_of(letters.mtp).parameters, sum_of(lists.mtp).parameters);
}

// The tensor counts and bytes of published checkpoints (shared/reference/models.md, section 2.5).
TEST(Inventory, TensorsAreThePublishedOnes) {
  const Storage bf16 = parse_storage("bf16");
  const Account glm = account_of(inventory_of("glm-5.2"), uniform_storage(bf16, bf16));
  EXPECT_EQ(sum_of(glm.trunk).tensors + sum_of(glm.mtp).tensors, 59585);
  const Account glm5 = account_of(inventory_of("glm-5"), uniform_storage(bf16, bf16));
  EXPECT_EQ(sum_of(glm5.trunk).parameters + sum_of(glm5.mtp).parameters, 753864139008);
  const Account oss = account_of(inventory_of("gpt-oss-20b"), uniform_storage(parse_storage("mxfp4"), bf16));
  EXPECT_EQ(oss.total_parameters, 20914757184);
  EXPECT_EQ(oss.weights.total, 13761264768) << "total_size of the published index";
}

// Parameters of a guess without the head, in units of 1e9 (models.md, section 3.14).
TEST(Inventory, AGuessOfAnMtpLayerReadsItsShare) {
  const Storage bf16 = parse_storage("bf16");
  for (const auto& [name, billions] :
       {std::pair{"glm-5", 0.591}, {"nemotron-3-super", 0.245}, {"qwen3.5-35b-a3b", 0.065}}) {
    const Inventory inventory = inventory_of(name);
    const WeightBytes mtp = account_of(inventory, uniform_storage(bf16, bf16)).mtp_weights;
    const std::int64_t bytes = mtp.fixed - mtp.head + inventory.experts_per_token * mtp.expert.front();
    EXPECT_NEAR(static_cast<double>(bytes) / 2e9, billions, 0.0005) << name;
  }
}

// Learns what a loader asks for.
class Recorder : public WeightPlan {
 public:
  explicit Recorder(const Inventory& inventory) : inventory_(inventory) {}

  bool has_prefix(std::string_view prefix) const override {
    return std::ranges::any_of(inventory_.tensors,
                               [&](const TensorSpec& tensor) { return tensor.name.starts_with(prefix); });
  }
  std::vector<StoredTensor> linear(const std::string& path, std::span<const std::int64_t> shape) override {
    const bool fused = std::ranges::find(inventory_.tensors, path, &TensorSpec::name) != inventory_.tensors.end();
    return {record(fused ? path : path + ".weight", {shape.begin(), shape.end()})};
  }
  StoredTensor vector(const std::string& name, std::span<const std::int64_t> shape) override {
    return record(name, {shape.begin(), shape.end()});
  }

  const std::map<std::string, std::vector<std::int64_t>>& asked() const { return asked_; }

 private:
  StoredTensor record(const std::string& name, std::vector<std::int64_t> shape) {
    std::size_t bytes = 4;
    for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
    asked_[name] = shape;
    return {name, DType::f32, std::move(shape), nullptr, bytes};
  }

  const Inventory& inventory_;
  std::map<std::string, std::vector<std::int64_t>> asked_;
};

void expect_loader_agrees(const fs::path& path) {
  SCOPED_TRACE(path.string());
  const ConfigReader config = ConfigReader::of_file(path);
  const Inventory inventory = take_inventory(config);
  std::map<std::string, std::vector<std::int64_t>> counted;
  for (const TensorSpec& tensor : inventory.tensors) {
    const std::size_t star = tensor.name.find('*');
    for (std::int64_t copy = 0; copy < tensor.copies; ++copy) {
      std::string name = tensor.name;
      if (star != std::string::npos) name.replace(star, 1, std::to_string(copy));
      counted[name] = tensor.shape;
    }
  }
  Recorder recorder(inventory);
  Engine engine({.threads = 1});
  const Architecture& architecture = find_architecture(config);
  architecture.load(config, WeightFile(path.parent_path(), recorder), architecture.describe(config), engine);
  EXPECT_EQ(recorder.asked(), counted);
}

// What a model takes and what it is loaded from are counted apart, and must not differ.
TEST(Inventory, IsWhatTheLoaderAsksFor) {
  for (const Architecture& architecture : architectures()) {
    const TinyCheckpoint tiny(architecture.name);
    expect_loader_agrees(tiny.directory() / "config.json");
  }
  for (const fs::directory_entry& model : fs::directory_iterator(data("models"))) {
    const ConfigReader config = ConfigReader::of_file(model.path() / "config.json");
    if (has_inventory(config.text("model_type", ""))) expect_loader_agrees(model.path() / "config.json");
  }
  for (const char* name : {"nemotron-3-super", "qwen3.5-35b-a3b", "qwen3-30b-a3b", "qwen3-235b-a22b", "glm-4.5-air",
                           "glm-4.6", "llama-3.2-3b", "qwen3-0.6b", "qwen2.5-0.5b", "deepseek-v2-lite", "deepseek-v3.2",
                           "kimi-k2.5", "glm-4.7-flash", "glm-5.2"}) {
    expect_loader_agrees(data(fmt::format("configs/{}.json", name)));
  }
}

// Of configs written from memory: the parameters that their publishers name.
TEST(Inventory, TotalsAreThePublishedOnes) {
  const Storage bf16 = parse_storage("bf16");
  const auto total = [&](const std::string& name) {
    return static_cast<double>(account_of(inventory_of(name), uniform_storage(bf16, bf16)).total_parameters) / 1e9;
  };
  EXPECT_NEAR(total("glm-4.5-air"), 106.85, 0.01);
  EXPECT_NEAR(total("glm-4.6"), 352.8, 0.05);
  EXPECT_NEAR(total("qwen3-235b-a22b"), 235.09, 0.01);
  EXPECT_NEAR(total("deepseek-v3"), 671.03, 0.01);
}

TEST(Inventory, EveryArchitectureHasOne) {
  for (const Architecture& architecture : architectures()) EXPECT_TRUE(has_inventory(architecture.name));
}

TEST(Inventory, CachesGrowWithTheContext) {
  const Inventory gemma = inventory_of("gemma-3-270m");
  EXPECT_EQ(gemma.cache.window, 512);
  EXPECT_EQ(gemma.cache.bytes_at(512), 512 * 18 * 1024);
  EXPECT_EQ(gemma.cache.bytes_at(1024), 1024 * 3 * 1024 + 512 * 15 * 1024);
  const Inventory nemotron = inventory_of("nemotron-3-nano");
  EXPECT_EQ(nemotron.cache.bytes_at(10), nemotron.cache.state_bytes() + 10 * 6 * 1024);
}

TEST(Inventory, RefusesWhatNoModelHas) {
  const auto take = [](const std::string& text) { take_inventory(ConfigReader(text, "config.json")); };
  expect_error([&] { take(R"({"model_type": "bert"})"); }, {"'bert'", "glm_moe_dsa"});
  expect_error([&] { take(R"({"model_type": "llama", "vocab_size": 5})"); }, {"num_hidden_layers"});
  const std::string llama =
      R"({"model_type": "llama", "num_hidden_layers": 2, "vocab_size": 16777216, "hidden_size": 16777216, )";
  expect_error([&] { take(llama + R"("num_attention_heads": 2, "intermediate_size": 5})"); },
               {"embed_tokens", "damaged"});
  expect_error([&] { take(llama + R"("num_attention_heads": 2, "intermediate_size": 50000000})"); },
               {"intermediate_size", "at most"});
  expect_error(
      [&] {
        take(R"({"model_type": "qwen3_moe", "num_hidden_layers": 2, "vocab_size": 9, "hidden_size": 8, "num_experts": 4,
                 "num_attention_heads": 2, "moe_intermediate_size": 8, "num_experts_per_tok": 2, "mlp_only_layers": [0]})");
      },
      {"model.layers.0.mlp.gate_proj.weight", "is a size missing"});
}

}  // namespace
}  // namespace specdec

#include "experiments/inspect.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/inspect_report.h"
#include "core/arch.h"
#include "core/contradictions.h"
#include "core/declared_storage.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/mapped_file.h"
#include "core/files/safetensors.h"
#include "core/name_pattern.h"
#include "experiments/convert.h"
#include "tests/error_line.h"
#include "tests/run_program.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

std::string config_path(const std::string& name) { return SPECDEC_SOURCE_DIR "/tests/data/configs/" + name + ".json"; }

Inspection inspect_path(const fs::path& path) { return inspect({.model = path.string()}); }

void edit_config(const fs::path& directory, const std::function<void(Json&)>& edit) {
  const fs::path path = directory / "config.json";
  Json config = Json::parse(MappedFile(path).text());
  edit(config);
  std::ofstream(path) << config;
}

// Writes tensors of zeros.
void write_tensors(const fs::path& path, const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& shapes,
                   DType dtype = DType::bf16) {
  static const std::vector<std::byte> zeros(1 << 20);
  std::vector<StoredTensor> tensors;
  for (const auto& [name, shape] : shapes) {
    StoredTensor tensor{name, name == "d2t" ? DType::i64 : dtype, shape, zeros.data(), 0};
    tensor.bytes = bytes_of(tensor.dtype);
    for (const std::int64_t size : shape) tensor.bytes *= static_cast<std::size_t>(size);
    tensors.push_back(tensor);
  }
  write_safetensors(path, tensors);
}

bool mentions(const std::vector<std::string>& lines, std::string_view words) {
  return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(words) != line.npos; });
}

// The bytes of a loaded model are those that inspect tells without loading it.
TEST(Inspect, CountsWhatLoadingCounts) {
  Engine engine({.threads = 1});
  std::vector<fs::path> paths{SPECDEC_SOURCE_DIR "/models/demo-moe", SPECDEC_SOURCE_DIR "/models/demo-draft"};
  for (const auto& model : fs::directory_iterator(SPECDEC_SOURCE_DIR "/tests/data/models"))
    paths.push_back(model.path());
  for (const char* name : {"llama", "llama_bias", "qwen2", "qwen3-00001-of-00002", "qwen3_moe_fused", "glm4_moe_mtp"}) {
    paths.emplace_back(fmt::format(SPECDEC_SOURCE_DIR "/tests/data/gguf/{}.gguf", name));
  }
  for (const fs::path& path : paths) {
    SCOPED_TRACE(path.string());
    std::unique_ptr<Model> model;
    try {
      model = load_model(path, engine);
    } catch (const Error& error) {
      EXPECT_TRUE(mentions(inspect_path(path).refusals, error.what()));
      continue;
    }
    const Inspection found = inspect_path(path);
    EXPECT_TRUE(found.refusals.empty()) << found.refusals.front();
    EXPECT_TRUE(found.stored->unused.empty()) << found.stored->unused.front();
    const WeightBytes& counted = found.account->weights;
    const WeightBytes& loaded = model->bytes();
    EXPECT_EQ(counted.total, loaded.total);
    EXPECT_EQ(counted.fixed, loaded.fixed);
    EXPECT_EQ(counted.head, loaded.head);
    EXPECT_EQ(counted.embedding_row, loaded.embedding_row);
    EXPECT_EQ(counted.expert, loaded.expert);
    EXPECT_EQ(found.inventory->experts, model->info().experts);
    const WeightBytes mtp = model->mtp() == nullptr ? WeightBytes{} : model->mtp()->bytes();
    EXPECT_EQ(sum_of(found.account->mtp).bytes, mtp.total);
    if (model->mtp() == nullptr) continue;
    EXPECT_EQ(found.account->mtp_weights.fixed, mtp.fixed);
    EXPECT_EQ(found.account->mtp_weights.head, mtp.head);
    EXPECT_EQ(found.account->mtp_weights.expert, mtp.expert);
  }
}

// config.json alone, with its own quantization block, gives the bytes of demo-moe; F32 corrections apart.
TEST(Inspect, ConfigAloneGivesTheBytesOfDemoMoe) {
  const fs::path path = SPECDEC_SOURCE_DIR "/models/demo-moe";
  const Inspection alone = inspect_path(path / "config.json");
  const Inspection stored = inspect_path(path);
  const std::int64_t corrections = 11 * 64 * 2;  // stored as F32, counted as bf16
  EXPECT_EQ(alone.account->weights.total + corrections, stored.account->weights.total);
  EXPECT_EQ(alone.account->weights.expert, stored.account->weights.expert);
  EXPECT_TRUE(stored.notes.empty()) << stored.notes.front();
  EXPECT_EQ(stored.stored->trunk[static_cast<std::size_t>(Group::routed)].bytes_of_format.count("affine4g32"), 1u);
  EXPECT_EQ(stored.stored->trunk[static_cast<std::size_t>(Group::attention)].bytes_of_format.count("affine8g64"), 1u);
}

TEST(Inspect, ReadsTheBlocksOfPublishedConfigs) {
  const Inspection kimi = inspect_path(config_path("kimi-k2.5"));
  EXPECT_NEAR(static_cast<double>(kimi.account->weights.total) / (1 << 30), 553.397, 0.001);  // models.md, 2.5
  EXPECT_EQ(inspect_path(config_path("gpt-oss-20b")).account->weights.total, 13761264768);
  const Account deepseek = *inspect_path(config_path("deepseek-v3.2")).account;
  EXPECT_EQ(deepseek.trunk[static_cast<std::size_t>(Group::head)].bytes, 129280 * 7168 * 2) << "heads stay bf16";
}

TEST(Inspect, TakesFormatsAsAskedFor) {
  const Inspection found = inspect({.model = config_path("glm-5"),
                                    .experts = "mxfp4",
                                    .rest = "affine8g64",
                                    .memory_bytes = std::int64_t{512} << 30});
  EXPECT_EQ(found.account->weights.total, 405480282624);
  EXPECT_EQ(found.fit->weight_bytes, 405480282624);
  EXPECT_FALSE(mentions(found.refusals, "fit"));
  expect_error([] { inspect({.model = config_path("glm-5"), .experts = "mxfp5"}); }, {"'mxfp5'", "affine4g64"});
  const Inspection small = inspect({.model = config_path("glm-5"), .memory_bytes = std::int64_t{512} << 30});
  EXPECT_TRUE(mentions(small.notes, "do not fit the 512.0 GiB of --memory")) << "experts may stay on disk";
  EXPECT_FALSE(mentions(small.refusals, "do not fit"));
  EXPECT_GT(small.fit->most_context, 0);
  EXPECT_NE(summary_of(small).find("the others stay on disk"), std::string::npos);
  EXPECT_EQ(summary_of(small).find("too little"), std::string::npos);
  const Inspection smaller = inspect({.model = config_path("glm-5"), .memory_bytes = std::int64_t{40} << 30});
  EXPECT_TRUE(mentions(smaller.refusals, "do not fit the 40.0 GiB of --memory"));
}

TEST(Inspect, BlocksThatDisagreeAreNoted) {
  const TemporaryDirectory directory;
  Json config = Json::parse(MappedFile(config_path("kimi-k2.5")).text());
  config["quantization"] = {{"group_size", 32}, {"bits", 4}, {"mode", "affine"}};
  const Inspection found = inspect_path(directory.write("config.json", config.dump()));
  EXPECT_NEAR(static_cast<double>(found.account->weights.total) / (1 << 30), 553.397, 0.001);
  EXPECT_TRUE(mentions(found.notes, "'quantization' (MLX affine4g32)")) << found.notes.front();
}

TEST(Inspect, TensorsThatABlockDoesNotDescribeAreNoted) {
  const TinyCheckpoint tiny("glm4_moe:affine");
  edit_config(tiny.directory(), [](Json& config) { config["quantization"] = {{"group_size", 32}, {"bits", 8}}; });
  const Inspection found = inspect_path(tiny.directory());
  EXPECT_TRUE(mentions(found.notes, "does not describe")) << tiny.directory();
  EXPECT_TRUE(found.refusals.empty()) << found.refusals.front();
}

TEST(Inspect, RefusesWhatLoadingRefuses) {
  Engine engine({.threads = 1});
  const auto expect_same = [&](const std::function<void(const fs::path&)>& spoil) {
    const TinyCheckpoint tiny("glm4_moe");
    spoil(tiny.directory());
    std::string told;
    try {
      load_model(tiny.directory(), engine);
    } catch (const Error& error) {
      told = error.what();
    }
    EXPECT_FALSE(told.empty()) << "this loads";
    EXPECT_TRUE(mentions(inspect_path(tiny.directory()).refusals, told)) << told;
  };
  const auto with = [&](const std::string& key, const Json& value) {
    expect_same([&](const fs::path& path) { edit_config(path, [&](Json& config) { config[key] = value; }); });
  };
  with("layer_types", {"full_attention"});
  with("mlp_layer_types", {"dense"});
  with("eos_token_id", 96);
  with("scoring_func", "softmax");
  with("num_nextn_predict_layers", 0);
  with("num_local_experts", 9);
  with("rope_parameters", {{"rope_theta", 5}, {"rope_type", "default"}});
  with("moe_intermediate_size", 64);
  with("layer_types", {"full_attention", "linear_attention", "full_attention"});
  with("model_type", "glm9");
  expect_same(
      [](const fs::path& path) { std::ofstream(path / "generation_config.json") << R"({"eos_token_id": 99})"; });
  expect_same([](const fs::path& path) { fs::remove(path / "model.safetensors"); });
  expect_same([](const fs::path& path) {
    const SafetensorsFile file(path / "model.safetensors");
    std::vector<StoredTensor> tensors;
    for (const auto& [name, tensor] : file.tensors()) {
      if (name != "model.norm.weight") tensors.push_back(tensor);
    }
    write_safetensors(path / "less.safetensors", tensors);
    fs::rename(path / "less.safetensors", path / "model.safetensors");
  });
}

TEST(Inspect, AnMtpLayerThatIsNotStoredIsNoted) {
  const TinyCheckpoint tiny("qwen3_moe");
  edit_config(tiny.directory(), [](Json& config) { config["num_nextn_predict_layers"] = 1; });
  const Inspection found = inspect_path(tiny.directory());
  EXPECT_TRUE(found.refusals.empty());
  EXPECT_TRUE(mentions(found.notes, "none is stored"));
}

TEST(Inspect, FollowsLinksAndListsMissingShards) {
  const TemporaryDirectory directory;
  const fs::path original = SPECDEC_SOURCE_DIR "/tests/data/models/llama_sharded";
  for (const auto& file : fs::directory_iterator(original)) {
    fs::create_symlink(file.path(), directory.path() / file.path().filename());
  }
  const Inspection whole = inspect_path(directory.path());
  EXPECT_TRUE(whole.refusals.empty()) << whole.refusals.front();
  EXPECT_EQ(whole.stored->files, "2 safetensors files, 2 of them links");
  const fs::path shard = directory.path() / "model-00002-of-00002.safetensors";
  ASSERT_TRUE(fs::remove(shard));
  const Inspection missing = inspect_path(directory.path());
  EXPECT_TRUE(mentions(missing.refusals, shard.string() + ": missing"));
  EXPECT_GT(missing.account->weights.total, 0);
}

// As a user has it: routed experts of compressed-tensors INT4, a block of MLX added to config.json, files that are
// links.
TEST(Inspect, TellsTheFormatsOfAKimiLikeCheckpoint) {
  const TemporaryDirectory directory;
  Json config = Json::parse(MappedFile(config_path("kimi-k2.5")).text());
  config["text_config"].update({{"num_hidden_layers", 2},
                                {"hidden_size", 64},
                                {"n_routed_experts", 4},
                                {"num_experts_per_tok", 2},
                                {"moe_intermediate_size", 32},
                                {"intermediate_size", 64},
                                {"num_attention_heads", 2},
                                {"q_lora_rank", 32},
                                {"kv_lora_rank", 32},
                                {"qk_nope_head_dim", 16},
                                {"qk_rope_head_dim", 16},
                                {"v_head_dim", 16},
                                {"vocab_size", 128},
                                {"eos_token_id", 1}});
  config["quantization"] = {{"group_size", 32}, {"bits", 4}, {"mode", "affine"}};
  const Inventory inventory = take_inventory(ConfigReader(config.dump(), "config.json"));

  const std::vector<std::byte> zeros(1 << 16);
  const std::array<std::int32_t, 4> shapes{32, 64, 64, 32};  // of up and gate, and of down
  std::vector<StoredTensor> tensors;
  const auto store = [&](std::string name, DType dtype, std::vector<std::int64_t> shape, const void* data) {
    const std::size_t bytes = bytes_needed(shape, dtype, name);
    tensors.push_back({std::move(name), dtype, std::move(shape), static_cast<const std::byte*>(data), bytes});
  };
  for (const TensorSpec& tensor : inventory.tensors) {
    const std::size_t star = tensor.name.find('*');
    if (star == std::string::npos) {
      store(tensor.name, DType::bf16, tensor.shape, zeros.data());
      continue;
    }
    const std::int64_t out = tensor.shape[0], in = tensor.shape[1];
    for (int expert = 0; expert < 4; ++expert) {
      std::string name = tensor.name;
      name.replace(star, 1, std::to_string(expert));
      store(name + "_packed", DType::i32, {out, in / 8}, zeros.data());
      store(name + "_scale", DType::bf16, {out, in / 32}, zeros.data());
      store(name + "_shape", DType::i32, {2}, shapes.data() + (out == 64 ? 2 : 0));
    }
  }
  store("vision_tower.blocks.0.mlp.fc0.weight", DType::bf16, {8, 8}, zeros.data());
  const TemporaryDirectory blobs;
  const fs::path blob = fs::path(blobs.path()) / "blob", model = directory.path();
  write_safetensors(blob, tensors);
  fs::create_symlink(blob, model / "model.safetensors");
  directory.write("config.json", config.dump());

  const Inspection found = inspect_path(model);
  const auto formats = [&](Group group) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : found.stored->trunk[static_cast<std::size_t>(group)].bytes_of_format) {
      names.push_back(name);
    }
    return names;
  };
  EXPECT_EQ(formats(Group::routed), std::vector<std::string>{"int4_packed"});
  EXPECT_EQ(formats(Group::attention), std::vector<std::string>{"bf16"});
  EXPECT_EQ(found.stored->beside.bytes, 128);
  EXPECT_TRUE(found.stored->unused.empty());
  EXPECT_TRUE(mentions(found.notes, "'quantization' (MLX affine4g32) does not describe"));
  EXPECT_FALSE(mentions(found.notes, "'quantization_config' (compressed-tensors pack-quantized) does not"));
  EXPECT_EQ(found.refusals.size(), 1u) << "only the architecture";
}

TEST(Inspect, TellsDraftHeadsByTheirTensors) {
  const auto kind_of = [](const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& shapes) {
    const TemporaryDirectory directory;
    directory.write("config.json", R"({"model_type": "llama", "num_hidden_layers": 2})");
    write_tensors(fs::path(directory.path()) / "model.safetensors", shapes);
    const Inspection found = inspect_path(directory.path());
    EXPECT_FALSE(found.refusals.empty());
    EXPECT_FALSE(found.account);
    return std::string(name_of(found.recognised.role));
  };
  EXPECT_EQ(kind_of({{"fc.weight", {8, 24}},
                     {"midlayer.hidden_norm.weight", {8}},
                     {"midlayer.self_attn.q_proj.weight", {8, 16}},
                     {"d2t", {5}}}),
            "EAGLE-3 head, original layout");
  EXPECT_EQ(kind_of({{"fc.weight", {8, 24}}, {"layers.0.hidden_norm.weight", {8}}, {"embed_tokens.weight", {9, 8}}}),
            "EAGLE-3 head, speculators layout");
  EXPECT_EQ(kind_of({{"model.fc.weight", {8, 16}},
                     {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
                     {"model.embed_tokens.weight", {9, 8}}}),
            "EAGLE-1/2 head");
  EXPECT_EQ(kind_of({{"mtp.fc.weight", {8, 16}}, {"mtp.layers.0.self_attn.q_proj.weight", {8, 8}}}), "MTP sidecar");
  EXPECT_EQ(kind_of({{"model.layers.78.eh_proj.weight", {8, 16}},
                     {"model.layers.78.enorm.weight", {8}},
                     {"lm_head.weight", {9, 8}}}),
            "MTP sidecar");
  EXPECT_EQ(kind_of({{"0.0.linear.weight", {8, 8}}, {"1.0.linear.weight", {8, 8}}}), "Medusa heads");
}

TEST(Inspect, TellsModels) {
  EXPECT_EQ(inspect_path(SPECDEC_SOURCE_DIR "/models/demo-moe").recognised.role, CheckpointRole::target);
  EXPECT_EQ(inspect_path(SPECDEC_SOURCE_DIR "/models/demo-draft").recognised.role, CheckpointRole::draft_model);
  EXPECT_EQ(inspect_path(config_path("qwen3-0.6b")).recognised.role, CheckpointRole::draft_model);
  EXPECT_EQ(inspect_path(config_path("glm-5")).recognised.role, CheckpointRole::target);
  const TemporaryDirectory directory;
  directory.write("config.json", R"({"model_type": "whisper"})");
  write_tensors(fs::path(directory.path()) / "model.safetensors", {{"encoder.conv.weight", {8, 24}}});
  const Inspection found = inspect_path(directory.path());
  EXPECT_EQ(found.recognised.role, CheckpointRole::unknown);
  EXPECT_TRUE(mentions(found.refusals, "'whisper'"));
}

TEST(Inspect, BadInputIsAnError) {
  const TemporaryDirectory directory;
  expect_error([&] { inspect_path(directory.path()); }, {"no config.json", "checkpoint"});
  expect_error([&] { inspect_path("no/such/model"); }, {"no/such/model"});
  expect_error([&] { inspect_path(directory.write("config.json", "{")); }, {"config.json", "JSON"});
  directory.write("config.json", R"({"model_type": "llama"})");
  directory.write("model.safetensors", "damaged");
  expect_error([&] { inspect_path(directory.path()); }, {"model.safetensors"});
}

TEST(Inspect, DirectoriesOfGgufFilesAreCheckpoints) {
  const TinyCheckpoint tiny("glm4_moe:q4_0");
  const Inspection found = inspect_path(tiny.directory());
  EXPECT_TRUE(found.refusals.empty()) << found.refusals.front();
  EXPECT_EQ(found.stored->files, "1 gguf file");
  const TemporaryDirectory directory;
  for (const char* part : {"qwen3-00001-of-00002.gguf", "qwen3-00002-of-00002.gguf"}) {
    fs::create_symlink(fs::path(SPECDEC_SOURCE_DIR "/tests/data/gguf") / part, directory.path() / part);
  }
  EXPECT_EQ(inspect_path(directory.path()).stored->files, "2 gguf files, 2 of them links");
}

TEST(Inspect, ALinkToNoWeightsIsRefused) {
  const TemporaryDirectory directory;
  fs::copy_file(SPECDEC_SOURCE_DIR "/tests/data/models/llama/config.json", directory.path() / "config.json");
  fs::create_symlink(directory.path() / "nowhere", directory.path() / "model.safetensors");
  EXPECT_TRUE(mentions(inspect_path(directory.path()).refusals, "model.safetensors: missing where the link points;"));
  directory.write("model.safetensors.index.json", R"({"weight_map": {"a": "../a.safetensors"}})");
  expect_error([&] { inspect_path(directory.path()); }, {"index.json", "../a.safetensors", "inside the checkpoint"});
}

// What panels of 4 and 8 bits take where 3 and 6 are stored.
TEST(Inspect, CountsWhatPackingAdds) {
  const TinyCheckpoint tiny("llama");
  const TemporaryDirectory directory;
  Engine engine({.threads = 1});
  const auto packing_of = [&](const std::string& format) {
    const fs::path path = fs::path(directory.path()) / format;
    convert(tiny.directory(), path, {.experts = format, .rest = format}, engine);
    const Inspection found = inspect_path(path);
    EXPECT_EQ(found.fit->weight_bytes, found.account->weights.total + found.fit->packing_bytes);
    return found.fit->packing_bytes;
  };
  const std::int64_t four = packing_of("affine4g32"), three = packing_of("affine3g32"),
                     eight = packing_of("affine8g32"), six = packing_of("affine6g32");
  const Inspection plain = inspect_path(tiny.directory());
  std::int64_t packed = 0;  // weights
  for (const TensorSpec& tensor : plain.inventory->tensors) {
    const Group group = place_of(tensor.name, plain.inventory->layers).group;
    if (tensor.is_matrix() && group != Group::other && group != Group::embedding) packed += tensor.elements();
  }
  EXPECT_EQ(three - four, packed / 8);
  EXPECT_EQ(six - eight, packed / 4);
}

TEST(Inspect, ExitCodesTellTheOutcome) {
  const auto run = [](std::vector<std::string> words) {
    words.insert(words.begin(), {SPECDEC_PROGRAM, "inspect"});
    return run_program(words);
  };
  const ProgramResult fits = run({"demo-moe"});
  EXPECT_EQ(fits.exit_code, 0) << fits.output;
  EXPECT_NE(fits.output.find("would run"), std::string::npos);
  EXPECT_EQ(run({config_path("glm-5")}).exit_code, 3);
  EXPECT_EQ(run({"demo-moe", "--memory", "10MB"}).exit_code, 3);
  EXPECT_EQ(run({SPECDEC_SOURCE_DIR "/no"}).exit_code, 1);
  const ProgramResult unitless = run({"demo-moe", "--memory", "10"});
  EXPECT_EQ(unitless.exit_code, 2);
  EXPECT_NE(unitless.output.find("--memory '10': expected a size"), std::string::npos) << unitless.output;
  EXPECT_EQ(run({"demo-moe", "--context", "0"}).exit_code, 2);
  const TemporaryDirectory directory;
  const std::string path = fs::path(directory.path()) / "found.json";
  EXPECT_EQ(run({config_path("kimi-k2.5"), "--json", path}).exit_code, 3);
  const Json json = Json::parse(MappedFile(path).text());
  EXPECT_EQ(json["role"], "target model");
  EXPECT_EQ(json["account"]["parameters"], 1026408232448);
  EXPECT_EQ(json["cache"]["bytes_per_position"], 61 * 576 * 2);
}

TEST(NamePattern, MatchesWhatPublishedConfigsMean) {
  const auto matches = [](std::string_view pattern, std::string_view module) {
    const auto parsed = NamePattern::parse(pattern);
    EXPECT_TRUE(parsed) << pattern;
    return parsed && parsed->matches(module);
  };
  const std::string dense = "re:.*mlp\\.(gate|up|gate_up|down)_proj.*";
  EXPECT_TRUE(matches(dense, "language_model.model.layers.0.mlp.up_proj"));
  EXPECT_FALSE(matches(dense, "language_model.model.layers.1.mlp.experts.*.up_proj"));
  EXPECT_TRUE(matches("lm_head", "language_model.lm_head"));
  EXPECT_FALSE(matches("lm_head", "my_lm_head"));
  EXPECT_TRUE(matches("model.layers.*.self_attn", "model.layers.11.self_attn.q_proj"));
  EXPECT_TRUE(matches("re:^a.c$", "abc"));
  EXPECT_FALSE(matches("re:^a.c$", "abcd"));
  EXPECT_TRUE(matches("re:a", "abc"));
  EXPECT_FALSE(NamePattern::parse("re:(a+)+b"));
  EXPECT_FALSE(NamePattern::parse("re:(a|b"));
}

TEST(DeclaredStorage, ReadsEveryKindOfBlock) {
  const auto storage_of = [](const std::string& block, const std::string& name, Group group) {
    const auto declared = declared_storages(ConfigReader("{" + block + "}", "config.json"));
    EXPECT_EQ(declared.size(), 1u);
    return declared.front().rule({name, {128, 128}, 1}, group).name;
  };
  const std::string q = "model.layers.0.self_attn.q_proj.weight";
  const std::string expert = "model.layers.0.mlp.experts.*.up_proj.weight";
  const std::string mlx =
      R"("quantization": {"group_size": 64, "bits": 4, "model.layers.0.self_attn.q_proj": {"bits": 8},
         "model.layers.0.mlp.switch_mlp.up_proj": {"mode": "mxfp4", "group_size": 32}, "lm_head": false})";
  EXPECT_EQ(storage_of(mlx, q, Group::attention), "affine8g64");
  EXPECT_EQ(storage_of(mlx, expert, Group::routed), "mxfp4");
  EXPECT_EQ(storage_of(mlx, "lm_head.weight", Group::head), "bf16");
  EXPECT_EQ(storage_of(mlx, "model.embed_tokens.weight", Group::embedding), "affine4g64");
  const std::string modelopt =
      R"("quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["*.self_attn.*"]})";
  EXPECT_EQ(storage_of(modelopt, q, Group::attention), "bf16");
  EXPECT_EQ(storage_of(modelopt, expert, Group::routed), "nvfp4");
  const std::string fp8 =
      R"("quantization_config": {"quant_method": "fp8", "modules_to_not_convert": ["model.layers.0.self_attn"]})";
  EXPECT_EQ(storage_of(fp8, q, Group::attention), "bf16");
  EXPECT_EQ(storage_of(fp8, expert, Group::routed), "fp8 per tensor");
  const auto read = [](const std::string& block) { declared_storages(ConfigReader("{" + block + "}", "config.json")); };
  expect_error([&] { read(R"("quantization_config": {"quant_method": "gptq"})"); }, {"'gptq'", "compressed-tensors"});
  expect_error([&] { read(R"("quantization": {"bits": 7})"); },
               {"config.json: quantization:", "'bits' is 7", "'group_size' is 64", "affine4g64"});
  expect_error([&] { read(R"("quantization": {"lm_head": {"mode": "mxfp5"}})"); },
               {"config.json: quantization: lm_head:", "'mode' is 'mxfp5'", "affine", "mxfp4"});
  expect_error([&] { read(R"("quantization": {"mode": "bf16"})"); }, {"'mode' is 'bf16'"});
}

TEST(DeclaredStorage, TheDtypeMayStandBesideOrInsideTheTextPart) {
  const auto dtype_of = [](const char* json) { return trained_dtype(ConfigReader(json, "config.json")); };
  EXPECT_EQ(dtype_of("{}"), DType::bf16);
  EXPECT_EQ(dtype_of(R"({"dtype": "float16"})"), DType::f16);
  EXPECT_EQ(dtype_of(R"({"torch_dtype": "float32", "text_config": {}})"), DType::f32);
  EXPECT_EQ(dtype_of(R"({"torch_dtype": "float32", "text_config": {"dtype": "float16"}})"), DType::f16);
}

}  // namespace
}  // namespace specdec

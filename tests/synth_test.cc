#include "experiments/synth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "core/arch.h"
#include "core/files/mapped_file.h"
#include "core/files/safetensors.h"
#include "core/inventory.h"
#include "core/traffic.h"
#include "core/weights.h"
#include "experiments/inspect.h"
#include "experiments/pass_meter.h"
#include "experiments/trial.h"
#include "tests/error_line.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

class Synth : public testing::Test {
 protected:
  fs::path make(const SynthOptions& options, int threads = 1) {
    Engine engine({.threads = threads});
    const fs::path path = directory_.path() / std::to_string(++made_);
    report_ = synthesise(options, path, engine);
    return path;
  }
  SynthOptions like(const TinyCheckpoint& tiny, const std::string& experts, const std::string& rest) {
    return {.like = tiny.directory() / "config.json", .experts = experts, .rest = rest};
  }
  static double union_of(const fs::path& path) {
    Engine engine({.threads = 1});
    return mean_union(path, 6, 1, engine);
  }
  static std::string weights(const fs::path& path) {
    return std::string(MappedFile(path / "model.safetensors").text());
  }

  // A config.json of its own.
  fs::path changed(const TinyCheckpoint& tiny, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json config = config_of(tiny.directory());
    change(config);
    return directory_.write(std::to_string(++made_) + ".json", config.dump());
  }
  static nlohmann::json config_of(const fs::path& path) {
    return nlohmann::json::parse(MappedFile(path / "config.json").text());
  }
  static std::map<std::string, std::vector<std::int64_t>> mtp_tensors(const fs::path& path) {
    const int layers = describe_model(path).layers;
    std::map<std::string, std::vector<std::int64_t>> found;
    const SafetensorsFile file(path / "model.safetensors");
    for (const auto& [name, tensor] : file.tensors()) {
      if (place_of(name, layers).mtp) found[name] = tensor.shape;
    }
    return found;
  }
  static std::int64_t counted_guess(const InspectOptions& options) {
    const Inspection found = inspect(options);
    return bytes_of_plain_pass(found.account->mtp_weights, found.inventory->experts_per_token);
  }
  // Of the passes of one row; -1 if they do not agree.
  static std::int64_t measured_guess(const fs::path& path) {
    Engine engine({.threads = 1});
    const LoadedTarget target = load_target(path.string(), engine);
    const LoadedDrafter mtp = load_drafter("mtp,k=2", {}, target, engine);
    const Trial trial = run_trial(target, mtp, random_tokens(*target.model, 8, 1), {.max_tokens = 12}, engine);
    std::int64_t bytes = 0;
    for (const StepRecord& step : trial.steps) {
      if (step.draft.passes == 0 || step.draft.rows != step.draft.passes) continue;
      if (bytes != 0 && bytes * step.draft.passes != step.draft.bytes) return -1;
      bytes = step.draft.bytes / step.draft.passes;
    }
    return bytes;
  }

  const TemporaryDirectory directory_;
  const TinyCheckpoint routed_{"qwen3_moe"};
  const TinyCheckpoint dense_{"llama"};
  SynthReport report_;
  int made_ = 0;
};

TEST_F(Synth, EveryArchitectureLoadsAndRuns) {
  for (const Architecture& architecture : architectures()) {
    SCOPED_TRACE(architecture.name);
    const TinyCheckpoint tiny(architecture.name);
    const bool fits_groups = tiny.intermediate() > 0;
    const fs::path path = make(like(tiny, fits_groups ? "affine4g32" : "bf16", "bf16"));
    const ModelInfo info = describe_model(path);
    EXPECT_EQ(info.architecture, architecture.name);
    const double woken = union_of(path);  // throws if a logit is not finite
    if (info.experts > 0) {
      EXPECT_GT(woken, info.experts_per_token);
    } else {
      EXPECT_EQ(woken, 0);
    }
  }
}

// As the files of its family have it, with what it takes again from the trunk.
TEST_F(Synth, MtpLayersAreThePublishedOnes) {
  for (const char* name : {"glm4_moe_mtp", "glm4_moe_lite_mtp", "deepseek_v3_mtp", "glm_moe_dsa_mtp", "qwen3_5_moe_mtp",
                           "nemotron_h_mtp"}) {
    SCOPED_TRACE(name);
    const fs::path published = fs::path(SPECDEC_SOURCE_DIR "/tests/data/models") / name;
    const fs::path path = make({.like = published / "config.json", .experts = "bf16", .rest = "bf16"});
    EXPECT_EQ(mtp_tensors(path), mtp_tensors(published));
    EXPECT_GT(report_.mtp_bytes, 0);
  }
}

TEST_F(Synth, AGuessReadsWhatInspectCounts) {
  for (const char* name : {"glm4_moe", "glm4_moe_lite", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa",
                           "qwen3_next", "qwen3_5", "qwen3_5_moe", "nemotron_h"}) {
    SCOPED_TRACE(name);
    const TinyCheckpoint tiny(name);
    for (const int layers : {0, 2}) {
      const std::string experts = tiny.intermediate() > 0 ? "mxfp4" : "bf16";
      SynthOptions options = like(tiny, experts, "bf16");
      options.layers = layers;
      options.mtp = 1;
      const fs::path path = make(options);
      const std::int64_t measured = measured_guess(path);
      EXPECT_GT(measured, 0);
      EXPECT_EQ(measured, counted_guess({.model = path.string()}));
      EXPECT_EQ(measured,
                counted_guess({.model = (path / "config.json").string(), .experts = experts, .rest = "bf16"}));
    }
  }
}

TEST_F(Synth, MtpLayersAreAsAskedFor) {
  Engine engine({.threads = 1});
  const TinyCheckpoint glm("glm4_moe"), next("qwen3_next");
  SynthOptions options = like(glm, "bf16", "bf16");
  const std::int64_t with_layer = load_model(make(options), engine)->mtp()->bytes().total;
  EXPECT_EQ(with_layer, report_.mtp_bytes);
  options.mtp = 0;
  const fs::path without = make(options);
  EXPECT_EQ(report_.mtp_bytes, 0);
  EXPECT_EQ(load_model(without, engine)->mtp(), nullptr);
  EXPECT_EQ(config_of(without)["num_nextn_predict_layers"], 0);
  options.mtp = {};
  options.like = changed(glm, [](nlohmann::json& config) { config["num_nextn_predict_layers"] = 3; });
  EXPECT_EQ(config_of(make(options))["num_nextn_predict_layers"], 1) << "the one that is chained";
  EXPECT_EQ(report_.mtp_bytes, with_layer);

  options = like(next, "bf16", "bf16");
  EXPECT_EQ(load_model(make(options), engine)->mtp(), nullptr) << "its config.json does not name one";
  options.mtp = 1;
  EXPECT_NE(load_model(make(options), engine)->mtp(), nullptr);

  options = like(dense_, "bf16", "bf16");
  options.mtp = 1;
  expect_error([&] { make(options); }, {"'llama' has no MTP layers"});
  options.mtp = 2;
  expect_error([&] { make(options); }, {"2 MTP layers", "0 or 1"});
}

TEST_F(Synth, WhatIsSaidOfEachLayerIsCut) {
  const TinyCheckpoint glm("glm_moe_dsa"), nemotron("nemotron_h");
  SynthOptions options{.like = {}, .layers = 2, .experts = "bf16", .rest = "bf16"};
  const auto expect_cut = [&](const TinyCheckpoint& tiny, const char* key, const nlohmann::json& each,
                              const nlohmann::json& cut) {
    SCOPED_TRACE(key);
    options.like = changed(tiny, [&](nlohmann::json& config) {
      for (const char* other : {"indexer_types", "layer_types", "hybrid_override_pattern"}) config.erase(other);
      config[key] = each;
    });
    const fs::path path = make(options);
    EXPECT_EQ(config_of(path)[key], cut);
    EXPECT_EQ(describe_model(path).layers, 2);
  };
  expect_cut(glm, "index_topk_pattern", "FSF", "FS");
  expect_cut(glm, "index_topk_pattern", {"full", "shared", "full"}, {"full", "shared"});
  expect_cut(glm, "indexer_types", {"full", "shared", "full"}, {"full", "shared"});
  expect_cut(glm, "mlp_layer_types", {"dense", "sparse", "sparse"}, {"dense", "sparse"});
  expect_cut(glm, "moe_layer_freq", {0, 1, 1}, {0, 1});
  expect_cut(glm, "moe_layer_freq", 1, 1);
  expect_cut(nemotron, "hybrid_override_pattern", "M*E", "M*");
  expect_cut(nemotron, "layers_block_type", {"mamba", "moe", "attention"}, {"mamba", "moe"});
  options.layers = 4;
  expect_error([&] { expect_cut(glm, "index_topk_pattern", "FSF", ""); }, {"lists 3 layers", "the 4 asked for"});
}

TEST_F(Synth, EveryFormatLoadsAndRuns) {
  for (const std::string format :
       {"f32", "f16", "bf16", "affine2g32", "affine3g32", "affine5g32", "affine6g32", "affine8g32"}) {
    SCOPED_TRACE(format);
    EXPECT_GT(union_of(make(like(routed_, format, format))), 3);
  }
}

TEST_F(Synth, TheSeedDecidesTheBytes) {
  SynthOptions options = like(routed_, "affine4g32", "f16");
  const std::string first = weights(make(options, 1));
  EXPECT_TRUE(first == weights(make(options, 3)));
  options.seed = 2;
  EXPECT_FALSE(first == weights(make(options, 1)));
}

TEST_F(Synth, ValuesHaveTheSizeThatTheyShould) {
  const fs::path path = make(like(dense_, "f32", "affine4g32"));
  WeightFile file(path);
  const Weight weight = file.linear("model.layers.0.self_attn.q_proj", {64, 64});
  std::vector<float> row(64);
  double squares = 0, sum = 0;
  for (int o = 0; o < 64; ++o) {
    weight.format->unpack(weight, o, row.data(), *kernel_levels().back());
    for (const float value : row) {
      squares += static_cast<double>(value) * value;
      sum += value;
    }
  }
  EXPECT_NEAR(std::sqrt(squares / 64), 1, 0.5) << "a row of norm about one keeps the size of its input";
  EXPECT_NEAR(sum / (64 * 64), 0, 0.01);
}

TEST_F(Synth, LayersAndShardsAreAsAskedFor) {
  SynthOptions options = like(dense_, "f32", "f32");
  options.layers = 2;
  options.most_shard_bytes = 50000;
  const fs::path path = make(options);
  EXPECT_GT(report_.files, 2);
  EXPECT_EQ(report_.layers, 2);
  EXPECT_EQ(describe_model(path).layers, 2);
  EXPECT_TRUE(fs::exists(path / "model.safetensors.index.json"));
  EXPECT_EQ(union_of(path), 0);
}

TEST_F(Synth, TheConfigSaysWhatIsStoredHow) {
  const auto quantization = [&](const std::string& experts, const std::string& rest) {
    const fs::path path = make(like(routed_, experts, rest));
    return nlohmann::json::parse(MappedFile(path / "config.json").text()).value("quantization", nlohmann::json());
  };
  EXPECT_TRUE(quantization("bf16", "bf16").is_null());
  const nlohmann::json same = quantization("affine8g32", "affine8g32");
  EXPECT_EQ(same, (nlohmann::json{{"group_size", 32}, {"bits", 8}, {"mode", "affine"}}));
  const nlohmann::json mixed = quantization("affine4g32", "affine8g32");
  EXPECT_EQ(mixed["bits"], 8);
  EXPECT_EQ(mixed["model.layers.0.mlp.switch_mlp.gate_proj"],
            (nlohmann::json{{"group_size", 32}, {"bits", 4}, {"mode", "affine"}}));
  const nlohmann::json experts_only = quantization("affine4g32", "bf16");
  EXPECT_EQ(experts_only["bits"], 4);
  EXPECT_EQ(experts_only["lm_head"], false);
}

TEST_F(Synth, SaysWhatIsWrongAndLeavesNothingBehind) {
  expect_error([&] { make(like(dense_, "f32", "affine7g32")); }, {"affine7g32", "affine4g64"});
  expect_error([&] { make(like(dense_, "f32", "affine4g64")); }, {"96 inputs", "affine4g64"});
  SynthOptions options = like(dense_, "f32", "f32");
  options.layers = -1;
  expect_error([&] { make(options); }, {"-1 layers"});
  EXPECT_TRUE(fs::is_empty(directory_.path()));

  const fs::path there = make(like(dense_, "f32", "f32"));
  Engine engine({.threads = 1});
  expect_error([&] { synthesise(like(dense_, "f32", "f32"), there, engine); }, {there.string(), "exists already"});
  directory_.write("file", "");
  expect_error([&] { synthesise(like(dense_, "f32", "f32"), directory_.path() / "file/x", engine); },
               {"file/x", "cannot make"});
}

TEST_F(Synth, SaysThatTheDiskIsTooSmall) {
  const fs::path large = directory_.write(
      "large.json", R"({"model_type": "llama", "vocab_size": 1000000, "hidden_size": 65536, "num_hidden_layers": 20,
      "num_attention_heads": 512, "intermediate_size": 1048576})");
  expect_error([&] { make({.like = large, .rest = "f32"}); }, {"GB", "room for", "fewer bits"});
  EXPECT_FALSE(fs::exists(directory_.path() / std::to_string(made_)));
}

}  // namespace
}  // namespace specdec

#include "experiments/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/arch.h"
#include "core/batch.h"
#include "core/encode.h"
#include "core/files/mapped_file.h"
#include "core/weights.h"
#include "experiments/pass_meter.h"
#include "tests/error_line.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(SPECDEC_SOURCE_DIR) / "tests/data/models";

class Convert : public testing::Test {
 protected:
  fs::path make(const fs::path& source, const ConvertOptions& options) {
    const fs::path path = directory_.path() / std::to_string(++made_);
    report_ = convert(source, path, options, engine_);
    return path;
  }
  std::vector<float> logits(const fs::path& path) {
    const std::unique_ptr<Model> model = load_model(path, engine_);
    const auto state = model->new_state(12);
    const Output out = model->forward(chain_of(random_tokens(*model, 12, 1)), *state, {});
    return {out.logits.data(), out.logits.data() + out.logits.size()};
  }
  static nlohmann::json json(const fs::path& path) { return nlohmann::json::parse(MappedFile(path).text()); }
  static std::string weights(const fs::path& path) {
    return std::string(MappedFile(path / "model.safetensors").text());
  }

  const TemporaryDirectory directory_;
  Engine engine_{{.threads = 2, .compute = "f32"}};
  ConvertReport report_;
  int made_ = 0;
};

TEST_F(Convert, WithoutLossItIsTheSameModel) {
  for (const char* name : {"glm4_moe_mtp", "qwen3_moe_fused", "qwen3_moe", "qwen2", "llama_bias", "llama_sharded"}) {
    SCOPED_TRACE(name);
    const std::string format = std::string_view(name) == "llama_sharded" ? "f16" : "bf16";
    const fs::path path = make(kModels / name, {.experts = format, .rest = format});
    EXPECT_EQ(logits(path), logits(kModels / name));
    for (const RoundTrip& trip : report_.round_trips) EXPECT_EQ(trip.worst_error, 0) << trip.group;
    EXPECT_EQ(report_.bytes, report_.source_bytes);
    EXPECT_FALSE(json(path / "config.json").contains("quantization"));
  }
}

TEST_F(Convert, WhatMlxConvertedIsASource) {
  for (const char* name : {"mlx_glm_moe_dsa_quantised", "mlx_nemotron_h", "mlx_qwen3_next", "mlx_qwen3_5_moe",
                           "mlx_gpt_oss", "mlx_mixtral"}) {
    SCOPED_TRACE(name);
    const fs::path path = make(kModels / name, {.experts = "f32", .rest = "f32", .router = "f32"});
    const std::vector<float> before = logits(kModels / name), after = logits(path);
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-4);
  }
}

TEST_F(Convert, AGgufFileIsASource) {
  const TinyCheckpoint tiny("glm4_moe:q4_0");
  for (const fs::path& source : {tiny.directory(), tiny.directory() / "model.gguf"}) {
    const fs::path path = make(source, {.experts = "f32", .rest = "f32", .router = "f32"});
    EXPECT_EQ(json(path / "config.json").at("model_type"), "glm4_moe");
    for (const RoundTrip& trip : report_.round_trips) EXPECT_EQ(trip.worst_error, 0) << trip.group;
    const std::vector<float> before = logits(source), after = logits(path);
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-5);
  }
}

TEST_F(Convert, EveryFormatLoadsAndRuns) {
  const TinyCheckpoint tiny("glm4_moe");
  for (const Encoding& encoding : encodings()) {
    if (encoding.group > 32) continue;
    SCOPED_TRACE(encoding.name);
    const fs::path path = make(tiny.directory(), {.experts = encoding.name, .rest = encoding.name});
    EXPECT_TRUE(std::ranges::all_of(logits(path), [](float logit) { return std::isfinite(logit); }));
    for (const RoundTrip& trip : report_.round_trips) {
      if (trip.format == "f32") continue;  // the routers, as stored
      EXPECT_EQ(trip.format, encoding.name);
      EXPECT_LT(trip.rms_error, 0.5) << trip.group;
      EXPECT_LE(trip.mean_error, trip.worst_error) << trip.group;
    }
  }
}

TEST_F(Convert, KeepsTheMtpLayerAndStacksExperts) {
  const TinyCheckpoint tiny("glm4_moe");
  const fs::path path = make(tiny.directory(), {.experts = "affine4g32", .rest = "affine8g32"});
  const std::unique_ptr<Model> model = load_model(path, engine_);
  ASSERT_NE(model->mtp(), nullptr);
  WeightFile file(path);
  const Weight experts = file.table("model.layers.3.mlp.switch_mlp.down_proj", {8, 64, 32});
  EXPECT_EQ(experts.bits, 4);
  EXPECT_FALSE(file.has_prefix("model.layers.3.mlp.experts."));
  EXPECT_EQ(file.find("model.layers.3.mlp.gate.e_score_correction_bias")->dtype, DType::f32);
}

TEST_F(Convert, WhatIsStoredSoIsCopied) {
  const TinyCheckpoint tiny("qwen3_moe");
  for (const ConvertOptions& options : {ConvertOptions{.experts = "affine4g32", .rest = "affine6g32"},
                                        ConvertOptions{.experts = "nvfp4", .rest = "mxfp4"}}) {
    const fs::path once = make(tiny.directory(), options);
    EXPECT_GT(report_.round_trips.front().worst_error, 0);
    const fs::path twice = make(once, options);
    EXPECT_TRUE(weights(once) == weights(twice));
    for (const RoundTrip& trip : report_.round_trips) EXPECT_EQ(trip.worst_error, 0) << trip.group;
  }
}

TEST_F(Convert, ErrorsAreThoseOfWhatIsReadBack) {
  const TinyCheckpoint tiny("qwen3_moe");
  const fs::path path = make(tiny.directory(), {.experts = "bf16", .rest = "affine3g32"});
  WeightFile before(tiny.directory()), after(path);
  const Weight from = before.table("lm_head", {kTinyVocab, 64}), to = after.table("lm_head", {kTinyVocab, 64});
  std::vector<float> x(64), y(64);
  double sum = 0, square = 0, of_weights = 0, worst = 0;
  for (int row = 0; row < kTinyVocab; ++row) {
    from.format->unpack(from, row, x.data(), engine_.kernels());
    to.format->unpack(to, row, y.data(), engine_.kernels());
    for (std::size_t i = 0; i < 64; ++i) {
      const double error = std::fabs(static_cast<double>(x[i]) - y[i]);
      sum += error;
      square += error * error;
      of_weights += static_cast<double>(x[i]) * x[i];
      worst = std::max(worst, error);
    }
  }
  const auto trip = std::ranges::find(report_.round_trips, "head", &RoundTrip::group);
  ASSERT_NE(trip, report_.round_trips.end());
  EXPECT_EQ(trip->weights, kTinyVocab * 64);
  EXPECT_EQ(trip->bytes, kTinyVocab * (64 * 3 / 8 + 64 / 32 * 2 * 4));
  EXPECT_NEAR(trip->mean_error, sum / (kTinyVocab * 64), 1e-9);
  EXPECT_NEAR(trip->rms_error, std::sqrt(square / of_weights), 1e-9);
  EXPECT_EQ(trip->worst_error, worst);
}

TEST_F(Convert, TheConfigSaysWhatIsStoredHow) {
  const TinyCheckpoint tiny("qwen3_moe");
  const fs::path path = make(tiny.directory(), {.experts = "affine4g32", .rest = "affine8g32", .router = "affine6g32"});
  const nlohmann::json config = json(path / "config.json"), block = config.at("quantization");
  EXPECT_EQ(block, config.at("quantization_config"));
  EXPECT_EQ(block.at("group_size"), 32);
  EXPECT_EQ(block.at("bits"), 8);
  EXPECT_EQ(block.at("mode"), "affine");
  EXPECT_EQ(block.at("model.layers.0.mlp.switch_mlp.up_proj"),
            (nlohmann::json{{"group_size", 32}, {"bits", 4}, {"mode", "affine"}}));
  EXPECT_EQ(block.at("model.layers.0.mlp.gate").at("bits"), 6);
  const nlohmann::json again =
      json(make(path, {.experts = "affine4g32", .rest = "bf16", .router = "bf16"}) / "config.json");
  EXPECT_EQ(again.at("quantization").at("bits"), 4);
  EXPECT_EQ(again.at("quantization").at("lm_head"), false);
  EXPECT_EQ(again.at("quantization").at("model.layers.0.mlp.gate"), false);
}

TEST_F(Convert, ShardsHaveAnIndex) {
  const TinyCheckpoint tiny("glm4_moe");
  const fs::path path = make(tiny.directory(), {.experts = "affine4g32", .rest = "f32", .most_shard_bytes = 40000});
  EXPECT_GT(report_.files, 3);
  const fs::path whole = make(tiny.directory(), {.experts = "affine4g32", .rest = "f32"});
  EXPECT_EQ(logits(path), logits(whole));
  const nlohmann::json index = json(path / "model.safetensors.index.json");
  EXPECT_EQ(index.at("metadata").at("total_size"), report_.bytes);
  EXPECT_EQ(index.at("weight_map").at("model.layers.1.mlp.switch_mlp.up_proj.weight"),
            index.at("weight_map").at("model.layers.1.mlp.switch_mlp.up_proj.scales"));
}

TEST_F(Convert, CopiesTokenizerAndGenerationFiles) {
  const TinyCheckpoint tiny("llama");
  std::ofstream(tiny.directory() / "tokenizer.json") << "{}";
  std::ofstream(tiny.directory() / "hf_quant_config.json") << "{}";
  const fs::path path = make(tiny.directory(), {.experts = "bf16", .rest = "bf16"});
  EXPECT_EQ(report_.copied, std::vector<std::string>{"tokenizer.json"});
  EXPECT_EQ(MappedFile(path / "tokenizer.json").text(), "{}");
  EXPECT_FALSE(fs::exists(path / "hf_quant_config.json")) << "it would speak of the source's formats";
}

TEST_F(Convert, SaysWhatIsWrongAndLeavesNothingBehind) {
  const TinyCheckpoint tiny("llama");
  const fs::path& source = tiny.directory();
  expect_error([&] { make(source, {.experts = "q4", .rest = "bf16"}); }, {"q4", "affine4g64", "nvfp4"});
  expect_error([&] { make(source, {.experts = "bf16", .rest = "affine4g64"}); }, {"96 inputs", "affine4g64"});
  expect_error([&] { make(directory_.path() / "none", {.experts = "bf16", .rest = "bf16"}); }, {"none", "config.json"});
  const ConvertOptions options{.experts = "bf16", .rest = "bf16"};
  expect_error([&] { convert(source, directory_.path() / "interrupted", options, engine_, [] { return true; }); },
               {"interrupted"});
  EXPECT_TRUE(fs::is_empty(directory_.path()));

  expect_error([&] { convert(source, source, options, engine_); }, {source.string(), "exists already"});
  ConvertOptions forced = options;
  forced.replace = true;
  expect_error([&] { convert(source, source, forced, engine_); }, {source.string(), "read from there"});
  expect_error([&] { convert(source, source.string() + "/", forced, engine_); }, {source.string(), "read from there"});
  directory_.write("file", "");
  fs::create_directory(directory_.path() / "other");
  directory_.write("other/notes.txt", "");
  expect_error([&] { convert(source, directory_.path() / "other", forced, engine_); }, {"other", "no checkpoint"});
  expect_error([&] { convert(source, directory_.path() / "file", forced, engine_); }, {"file", "no directory"});
  EXPECT_TRUE(fs::exists(source / "config.json"));
}

TEST_F(Convert, ReplacesACheckpointIfItMust) {
  const TinyCheckpoint tiny("llama");
  const fs::path path = make(tiny.directory(), {.experts = "bf16", .rest = "bf16"});
  const std::string before = weights(path);
  convert(tiny.directory(), path, {.experts = "f32", .rest = "f32", .replace = true}, engine_);
  EXPECT_GT(weights(path).size(), before.size());
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), fs::directory_iterator()), 1);

  const ConvertOptions forced{.experts = "f32", .rest = "f32", .replace = true};
  const auto refused = [&](const char* words) {
    expect_error([&] { convert(tiny.directory(), path, forced, engine_); }, {path.string(), words, "not replaced"});
  };
  directory_.write("1/thesis.txt", "");
  refused("thesis.txt");
  fs::remove(path / "thesis.txt");
  fs::create_directory(path / "src");
  refused("src");
  fs::remove(path / "src");
  directory_.write("1/adapter.safetensors", "");
  refused("adapter.safetensors");
  fs::remove(path / "adapter.safetensors");
  fs::remove(path / "model.safetensors");
  refused("no checkpoint");
}

TEST_F(Convert, RefusesWeightsThatAreNotFinite) {
  const float broken = std::numeric_limits<float>::quiet_NaN();
  const TinyCheckpoint tiny("llama");
  const fs::path file = tiny.directory() / "model.safetensors";
  std::string bytes(MappedFile(file).text());
  bytes.replace(bytes.size() - 4, 4, reinterpret_cast<const char*>(&broken), 4);
  std::ofstream(file, std::ios::binary) << bytes;  // the last is of lm_head
  expect_error([&] { make(tiny.directory(), {.experts = "bf16", .rest = "affine4g32"}); }, {"NaN"});
}

}  // namespace
}  // namespace specdec

#include "experiments/synth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/arch.h"
#include "core/files/mapped_file.h"
#include "core/files/safetensors.h"
#include "core/weights.h"
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

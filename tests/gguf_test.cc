// GGUF: what the file says, in the words of transformers, and every way in which it may be wrong. The goldens are made
// by tests/data/make_gguf_goldens.py.
#include "core/files/gguf.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/arch.h"
#include "core/batch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/gguf_config.h"
#include "core/files/safetensors.h"
#include "core/weights.h"
#include "tests/error_line.h"
#include "tests/gguf_writer.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(SPECDEC_SOURCE_DIR) / "tests/data";
constexpr std::uint32_t kF32 = 0;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

void expect_refused(const std::string& file, std::initializer_list<std::string_view> words) {
  expect_error([&] { parse_gguf(bytes_of(file), "x.gguf"); }, words);
}

TEST(Gguf, ValuesAreRead) {
  GgufWriter writer;
  writer.number("i", GgufType::i16, std::int16_t{-3});
  writer.number("f", GgufType::f64, 0.5);
  writer.number("b", GgufType::boolean, std::uint8_t{1});
  writer.text("t", "text");
  writer.texts("ts", {"a", "", "ccc"});
  writer.numbers("is", GgufType::u8, std::vector<std::uint8_t>{1, 255});
  writer.numbers("fs", GgufType::f32, std::vector<float>{1, 2.5});
  writer.number("large", GgufType::u64, std::uint64_t{1} << 63);
  writer.tensor("w", kF32, {3, 2}, std::string(24, 'x'));
  const std::string file = writer.bytes();
  const Gguf gguf = parse_gguf(bytes_of(file), "x.gguf");
  const GgufMetadata& metadata = gguf.metadata;
  EXPECT_EQ(metadata.integer("i"), -3);
  EXPECT_EQ(metadata.number("i"), -3);
  EXPECT_EQ(metadata.number("f"), 0.5);
  EXPECT_EQ(metadata.boolean("b"), true);
  EXPECT_EQ(metadata.text("t"), "text");
  EXPECT_EQ(metadata.texts("ts"), (std::vector<std::string_view>{"a", "", "ccc"}));
  EXPECT_EQ(metadata.integers("is"), (std::vector<std::int64_t>{1, 255}));
  EXPECT_EQ(metadata.numbers("fs"), (std::vector<float>{1, 2.5}));
  EXPECT_EQ(metadata.integer("absent"), std::nullopt);
  EXPECT_EQ(gguf.tensors.at("w").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(gguf.tensors.at("w").data[0], std::byte{'x'});
  expect_error([&] { metadata.integer("f"); }, {"x.gguf", "'f'", "whole number"});
  expect_error([&] { metadata.integer("large"); }, {"'large'", "whole number"});
  expect_error([&] { metadata.integer("is"); }, {"'is'", "whole number"});
  expect_error([&] { metadata.number("t"); }, {"'t'", "a number"});
  expect_error([&] { metadata.boolean("i"); }, {"'i'", "true or false"});
  expect_error([&] { metadata.text("ts"); }, {"'ts'", "a text"});
  expect_error([&] { metadata.texts("t"); }, {"'t'", "a list of texts"});
  expect_error([&] { metadata.integers("fs"); }, {"'fs'", "a list of whole numbers"});
  expect_error([&] { metadata.numbers("is"); }, {"'is'", "a list of float32"});
}

GgufWriter one_tensor(std::uint32_t type, const std::vector<std::uint64_t>& dimensions, std::string_view data) {
  GgufWriter writer;
  writer.tensor("w", type, dimensions, data);
  return writer;
}

TEST(Gguf, DamageIsNamed) {
  GgufWriter writer;
  EXPECT_TRUE(parse_gguf(bytes_of(writer.bytes()), "x.gguf").tensors.empty());
  expect_refused("", {"x.gguf", "not a GGUF file"});
  expect_refused("version https://git-lfs.github.com/spec/v1", {"git lfs pull"});
  expect_refused("GGUF", {"the version", "cut off"});
  writer.version = 2;
  expect_refused(writer.bytes(), {"version 2", "reads version 3"});
  writer.version = 0x03000000;
  expect_refused(writer.bytes(), {"big-endian"});

  GgufWriter twice;
  twice.text("k", "v");
  twice.text("k", "v");
  expect_refused(twice.bytes(), {"'k'", "stands twice"});
  GgufWriter unnamed;
  unnamed.text("", "v");
  expect_refused(unnamed.bytes(), {"a key", "no name"});
  GgufWriter control;
  control.text("a\nb", "v");
  expect_refused(control.bytes(), {"a key", "no name"});
  GgufWriter odd;
  odd.number("k", static_cast<GgufType>(13), 0);
  expect_refused(odd.bytes(), {"'k'", "type 13", "0 to 12"});
  GgufWriter nested;
  nested.numbers("k", GgufType::list, std::vector<std::uint64_t>{});
  expect_refused(nested.bytes(), {"'k'", "list of lists"});
  GgufWriter long_list;
  long_list.number("k", GgufType::list, GgufType::u64);
  std::string file = long_list.bytes().substr(0, 24 + 9 + 4 + 4);
  expect_refused(file, {"length of a list", "cut off"});
  file += std::string(8, '\xff');
  expect_refused(file, {"'k'", "lists 18446744073709551615 values", "cut off"});

  for (const std::uint32_t alignment : {0u, 24u}) {
    GgufWriter unaligned;
    unaligned.number("general.alignment", GgufType::u32, alignment);
    expect_refused(unaligned.bytes(), {"general.alignment", "power of two"});
  }
  const std::string data(64, '\0');
  EXPECT_EQ(parse_gguf(bytes_of(one_tensor(kF32, {4, 4}, data).bytes()), "x").tensors.at("w").bytes, 64u);
  expect_refused(one_tensor(kF32, {4, 5}, data).bytes(), {"\"w\"", "[5, 4] of F32", "cut off"});
  expect_refused(one_tensor(kF32, {1, 1, 1, 1, 1}, data).bytes(), {"\"w\"", "5 dimensions"});
  expect_refused(one_tensor(kF32, {std::uint64_t{1} << 63}, data).bytes(), {"more than fits 63 bits"});
  expect_refused(one_tensor(kF32, {std::uint64_t{1} << 40, std::uint64_t{1} << 40}, data).bytes(),
                 {"more bytes than fit 63 bits"});
  expect_refused(one_tensor(kF32, {0, std::uint64_t{1} << 40}, "").bytes(), {"\"w\"", "dimension of 0"});
  expect_refused(one_tensor(4, {4}, data).bytes(), {"\"w\"", "type 4", "no tensor"});
  expect_refused(one_tensor(2, {48}, data).bytes(), {"\"w\"", "Q4_0", "blocks of 32"});
  GgufWriter again;
  again.tensor("w", kF32, {4}, data);
  again.tensor("w", kF32, {4}, data);
  expect_refused(again.bytes(), {"\"w\"", "stands twice"});

  GgufWriter pair;
  pair.tensor("v", kF32, {16}, data);
  pair.tensor("w", kF32, {16}, data);
  file = pair.bytes();
  const auto with_offset = [&](std::uint64_t offset) {  // of w, the last number of the header
    std::string changed = file;
    std::memcpy(changed.data() + 24 + 2 * 33 - 8, &offset, sizeof offset);
    return changed;
  };
  EXPECT_EQ(with_offset(64), file);
  expect_refused(with_offset(32), {"\"v\"", "\"w\"", "overlap"});
  expect_refused(with_offset(8), {"\"w\"", "no multiple of the alignment"});
  expect_refused(with_offset(96), {"\"w\"", "cut off"});
  expect_refused(with_offset(~std::uint64_t{31}), {"\"w\"", "cut off"});
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_THROW(parse_gguf(bytes_of(file.substr(0, size)), "x"), Error) << size;
}

// A llama of one layer, without its tensors but for the embedding.
class Model {
 public:
  explicit Model(std::string_view architecture = "llama") {
    writer.text("general.architecture", architecture);
    for (const char* key :
         {"embedding_length", "context_length", "feed_forward_length", "block_count", "attention.head_count"})
      count(architecture, key, 4);
    writer.number(fmt::format("{}.attention.layer_norm_rms_epsilon", architecture), GgufType::f32, 1e-5f);
    writer.tensor("token_embd.weight", kF32, {4, 8}, std::string(128, '\0'));
  }

  void count(std::string_view architecture, std::string_view key, std::uint32_t value) {
    writer.number(fmt::format("{}.{}", architecture, key), GgufType::u32, value);
  }

  nlohmann::json config() const {
    const std::string file = writer.bytes();
    const Gguf gguf = parse_gguf(bytes_of(file), "x.gguf");
    const GgufFind find = [&](const std::string& name) {
      const auto found = gguf.tensors.find(name);
      return found == gguf.tensors.end() ? nullptr : &found->second;
    };
    for (const auto& [name, tensor] : gguf.tensors) transformers_name(name, gguf.metadata, find);
    return nlohmann::json::parse(gguf_config(gguf.metadata, find));
  }

  void expect_refused(std::initializer_list<std::string_view> words) const {
    expect_error([&] { config(); }, words);
  }

  GgufWriter writer;
};

TEST(GgufConfig, IsThatOfTransformers) {
  Model llama;
  llama.count("llama", "rope.dimension_count", 1);
  llama.writer.number("tokenizer.ggml.eos_token_id", GgufType::u32, 2u);
  llama.writer.number("tokenizer.ggml.eot_token_id", GgufType::u32, 2u);
  llama.writer.number("tokenizer.ggml.eom_token_id", GgufType::u32, 5u);
  const nlohmann::json config = llama.config();
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["vocab_size"], 8);
  EXPECT_EQ(config["num_key_value_heads"], 4);
  EXPECT_EQ(config["head_dim"], 1);
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_EQ(config["rope_theta"], 10000.0);
  EXPECT_EQ(config["eos_token_id"], nlohmann::json({2, 5}));
  for (int head_dim = 1; head_dim <= 256; ++head_dim) {
    for (const int dims : {1, head_dim / 2, head_dim - 2}) {
      if (dims < 1) continue;
      Model partial("glm4moe");
      for (const char* key : {"expert_count", "expert_used_count", "expert_feed_forward_length", "expert_shared_count",
                              "leading_dense_block_count"}) {
        partial.count("glm4moe", key, 2);
      }
      partial.writer.number("glm4moe.expert_weights_norm", GgufType::boolean, std::uint8_t{1});
      partial.count("glm4moe", "attention.key_length", static_cast<std::uint32_t>(head_dim));
      partial.count("glm4moe", "rope.dimension_count", static_cast<std::uint32_t>(dims));
      const double factor = partial.config()["partial_rotary_factor"];
      ASSERT_EQ(static_cast<int>(head_dim * factor), dims) << head_dim;
    }
  }
}

TEST(GgufConfig, WhatIsNotUnderstoodIsNamed) {
  Model("gemma3").expect_refused({"general.architecture", "gemma3", "llama, qwen2"});
  GgufWriter nothing;
  const std::string file = nothing.bytes();
  const Gguf gguf = parse_gguf(bytes_of(file), "x.gguf");
  expect_error([&] { gguf_config(gguf.metadata, [](const std::string&) { return nullptr; }); },
               {"general.architecture", "missing"});
  Model("qwen3moe").expect_refused({"qwen3moe.expert_count", "missing"});

  const auto with = [](const char* architecture, const std::function<void(Model&)>& change,
                       std::initializer_list<std::string_view> words) {
    Model model(architecture);
    change(model);
    model.expect_refused(words);
  };
  with("llama", [](Model& m) { m.count("llama", "attention.sliding_window", 512); },
       {"does not know", "llama.attention.sliding_window"});
  with("llama", [](Model& m) { m.count("llama", "expert_count", 8); }, {"llama.expert_count"});
  with("llama", [](Model& m) { m.count("llama", "attention.value_length", 8); }, {"llama.attention.value_length"});
  with("llama", [](Model& m) { m.count("llama", "rope.dimension_count", 9); }, {"llama.rope.dimension_count"});
  with("qwen3",
       [](Model& m) { m.count("qwen3", "attention.key_length", 8), m.count("qwen3", "rope.dimension_count", 4); },
       {"qwen3.rope.dimension_count", "as many as a head has"});
  with("llama", [](Model& m) { m.writer.text("llama.rope.scaling.type", "linear"); }, {"llama.rope.scaling.factor"});
  with("llama",
       [](Model& m) {
         m.writer.numbers("llama.attention.head_count_kv", GgufType::u32, std::vector<std::uint32_t>{1, 2});
       },
       {"head_count_kv", "same for all layers"});
  with("llama", [](Model& m) { m.writer.number("llama.nextn_predict_layers", GgufType::i64, INT64_MIN); },
       {"llama.nextn_predict_layers", "from 0 to"});
  with("llama", [](Model& m) { m.writer.number("llama.attention.key_length", GgufType::i64, INT64_MAX); },
       {"llama.attention.key_length", "from 0 to"});
  const std::string zeros(32, '\0');
  with("llama", [&](Model& m) { m.writer.tensor("rope_freqs.weight", kF32, {2}, zeros); }, {"rope_freqs", "above 0"});
  with("qwen2", [&](Model& m) { m.writer.tensor("rope_freqs.weight", kF32, {2}, zeros); }, {"factors"});
  with("llama", [&](Model& m) { m.writer.tensor("blk.0.ssm_a", kF32, {2}, zeros); }, {"llama", "blk.0.ssm_a"});
  with("llama", [&](Model& m) { m.writer.tensor("blk.0.attn_q.scale", kF32, {1}, zeros); }, {"blk.0.attn_q.scale"});
}

std::vector<float> logits_of(const fs::path& path, const std::vector<TokenId>& tokens, const char* compute) {
  Engine engine({.threads = 1, .compute = compute});
  const auto model = load_model(path, engine);
  const auto state = model->new_state(64);
  const MatView logits = model->forward(chain_of(tokens), *state, {}).logits;
  return {logits.data(), logits.data() + logits.size()};
}

class GgufParity : public testing::TestWithParam<const char*> {};

// The weights are the same, so that everything is. But llama3's frequencies are divided by factors that float32 rounds.
TEST_P(GgufParity, LogitsEqualThoseOfTheSafetensors) {
  const std::string name = GetParam();
  fs::path path = kData / "gguf" / (name + ".gguf");
  if (!fs::exists(path)) path = kData / "gguf" / (name + "-00001-of-00002.gguf");
  std::vector<TokenId> tokens;
  for (int i = 0; i < 40; ++i) tokens.push_back(TokenId{i * 37 % 96});
  for (const char* compute : {"f32", "default"}) {
    const std::vector<float> ours = logits_of(path, tokens, compute);
    const std::vector<float> theirs = logits_of(kData / "models" / name, tokens, compute);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (name == "llama") {
        ASSERT_NEAR(ours[i], theirs[i], 1e-4) << i;
      } else {
        ASSERT_EQ(ours[i], theirs[i]) << i;
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Goldens, GgufParity,
                         testing::Values("llama", "llama_bias", "qwen2", "qwen3", "qwen3_moe_fused", "glm4_moe_mtp"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(GgufCheckpoint, ConfigEqualsThatOfTheSafetensors) {
  const ModelInfo ours = describe_model(kData / "gguf/glm4_moe_mtp.gguf");
  const ModelInfo theirs = describe_model(kData / "models/glm4_moe_mtp");
  EXPECT_EQ(ours.architecture, theirs.architecture);
  EXPECT_EQ(ours.layers, theirs.layers);
  EXPECT_EQ(ours.mtp_layers, theirs.mtp_layers);
  EXPECT_EQ(ours.context, theirs.context);
  EXPECT_EQ(ours.eos, theirs.eos);
  EXPECT_EQ(ours.bos, theirs.bos);
  EXPECT_EQ(ours.experts, theirs.experts);
  Engine engine({.threads = 1});
  EXPECT_NE(load_model(kData / "gguf/glm4_moe_mtp.gguf", engine)->mtp(), nullptr);
}

// blocks.gguf: each layer has a matrix of another type, and beside it what the gguf package makes of it.
TEST(GgufBlocks, DecodeAsTheGgufPackageBitForBit) {
  WeightFile file(kData / "gguf/blocks.gguf");
  std::set<std::string_view> formats;
  for (int layer = 0; file.has(fmt::format("model.layers.{}.mlp.down_proj.weight", layer)); ++layer) {
    const std::string path = fmt::format("model.layers.{}.mlp", layer);
    const Weight weight = file.linear(path + ".down_proj", {2, 512});
    const StoredTensor& expected = *file.find(path + ".up_proj.weight");
    std::vector<float> ours(1024), theirs(1024);
    std::memcpy(theirs.data(), expected.data, expected.bytes);
    for (std::int64_t row = 0; row < 2; ++row)
      weight.format->unpack(weight, row, ours.data() + row * 512, *kernel_levels().front());
    for (std::size_t i = 0; i < ours.size(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(ours[i]), std::bit_cast<std::uint32_t>(theirs[i]))
          << weight.format->name << " " << i << ": " << ours[i] << " " << theirs[i];
    formats.insert(weight.format->name);
  }
  EXPECT_EQ(formats.size(), 11u);
}

TEST(GgufBlocks, OtherTypesAreRefusedByName) {
  const TemporaryDirectory directory;
  Model model;
  constexpr std::uint32_t kQ2K = 10;
  model.writer.tensor("blk.0.ffn_up.weight", kQ2K, {256, 1}, std::string(84, '\0'));
  WeightFile file(directory.write("x.gguf", model.writer.bytes()));
  expect_error([&] { file.linear("model.layers.0.mlp.up_proj", {1, 256}); }, {"x.gguf", "Q2_K", "q4_k", "q6_k"});
}

TEST(GgufBlocks, AScaleThatIsNoNumberIsFound) {
  const TemporaryDirectory directory;
  Model model;
  constexpr std::uint32_t kQ80 = 8;
  std::string block(34, '\1');
  model.writer.tensor("blk.0.attn_output.weight", kQ80, {32, 1}, block);
  block[1] = '\x7e';
  model.writer.tensor("blk.0.ffn_up.weight", kQ80, {32, 1}, block);
  WeightFile file(directory.write("x.gguf", model.writer.bytes()));
  file.linear("model.layers.0.self_attn.o_proj", {1, 32});
  EXPECT_EQ(file.find_not_finite(), "");
  file.linear("model.layers.0.mlp.up_proj", {1, 32});
  EXPECT_EQ(file.find_not_finite(), "model.layers.0.mlp.up_proj.weight");
}

TEST(GgufCheckpoint, PartsBelongTogether) {
  const TemporaryDirectory directory;
  const auto part = [](int number) { return fmt::format("qwen3-0000{}-of-00002.gguf", number); };
  for (const int number : {1, 2}) fs::copy_file(kData / "gguf" / part(number), directory.path() / part(number));
  EXPECT_EQ(open_gguf(directory.path()).size(), 2u);
  EXPECT_EQ(open_gguf(directory.path() / part(2)).size(), 2u);
  EXPECT_EQ(describe_model(directory.path()).layers, 2);

  fs::copy_file(kData / "gguf/qwen2.gguf", directory.path() / "other.gguf");
  expect_error([&] { open_gguf(directory.path()); }, {"holds 2 GGUF checkpoints", part(1), "other.gguf"});
  fs::rename(directory.path() / part(1), directory.path() / "first.gguf");
  expect_error([&] { open_gguf(directory.path() / part(2)); }, {part(1), "missing"});
  expect_error([&] { open_gguf(directory.path() / "first.gguf"); }, {"first.gguf", "part 1 of 2", "00002.gguf"});
  fs::rename(directory.path() / "first.gguf", directory.path() / part(1));
  fs::remove(directory.path() / part(2));
  expect_error([&] { open_gguf(directory.path() / part(1)); }, {part(2), "missing"});
  fs::copy_file(directory.path() / part(1), directory.path() / part(2));
  expect_error([&] { open_gguf(directory.path() / part(1)); }, {part(2), "split.no"});
  fs::copy_file(kData / "gguf/qwen2.gguf", directory.path() / part(2), fs::copy_options::overwrite_existing);
  expect_error([&] { open_gguf(directory.path() / part(1)); }, {part(2), "split.no"});
}

}  // namespace
}  // namespace specdec

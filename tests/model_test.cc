// Loading is checking: damaged and mismatched checkpoints end in one clear line. And what a loaded model says of
// itself.
#include "core/model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/arch.h"
#include "core/batch.h"
#include "core/blocks/gemma.h"
#include "core/blocks/rope.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/safetensors.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using Json = nlohmann::json;

void edit_config(const TinyCheckpoint& tiny, const std::function<void(Json&)>& edit) {
  Json config = Json::parse(std::ifstream(tiny.directory() / "config.json"));
  edit(config);
  std::ofstream(tiny.directory() / "config.json") << config;
}

// Rewrites the weights after `edit` has changed the list of tensors.
void edit_tensors(const TinyCheckpoint& tiny, const std::function<void(std::vector<StoredTensor>&)>& edit) {
  const std::filesystem::path path = tiny.directory() / "model.safetensors";
  const std::filesystem::path old = tiny.directory() / "old.bin";
  std::filesystem::rename(path, old);
  const SafetensorsFile file(old);
  std::vector<StoredTensor> tensors;
  for (const auto& [name, tensor] : file.tensors()) tensors.push_back(tensor);
  edit(tensors);
  write_safetensors(path, tensors);
  std::filesystem::remove(old);
}

StoredTensor& named(std::vector<StoredTensor>& tensors, std::string_view name) {
  for (StoredTensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw Error("no tensor {}", name);
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string load_error(const TinyCheckpoint& tiny) {
  Engine engine({.threads = 1});
  return message_of([&] { load_model(tiny.directory(), engine); });
}

void expect_words(const std::string& message, std::initializer_list<std::string_view> words) {
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string_view word : words)
    EXPECT_NE(message.find(word), std::string::npos) << word << " in: " << message;
}

TEST(BadConfig, EachKeyIsNamed) {
  struct Bad {
    const char* key;
    Json value;
    std::vector<std::string_view> words;
  };
  const std::vector<Bad> all{
      {"model_type", "mamba9", {"model_type is 'mamba9'", "glm4_moe", "llama"}},
      {"model_type", 7, {"'model_type' is 7", "string"}},
      {"hidden_size", nullptr, {"'hidden_size' is missing"}},
      {"hidden_size", -64, {"'hidden_size' is -64", "at least 1"}},
      {"hidden_size", 1e30, {"'hidden_size'", "whole number"}},
      {"hidden_size", 4294967360LL, {"'hidden_size' is 4294967360"}},
      {"num_hidden_layers", 2000000000, {"'num_hidden_layers' is 2000000000", "at most"}},
      {"num_key_value_heads", 3, {"4 attention heads do not divide over 3"}},
      {"hidden_act", "mish", {"'hidden_act' is 'mish'", "silu"}},
      {"partial_rotary_factor", 1.5, {"partial_rotary_factor is 1.5"}},
      {"rope_theta", 0, {"rope_theta is 0"}},
      {"rope_scaling", {{"rope_type", "su"}, {"factor", 4}}, {"rope type 'su'", "llama3"}},
      {"rope_scaling", {{"rope_type", "longrope"}, {"factor", 4}}, {"'short_factor' lists 0 numbers; expected 4"}},
      {"rope_parameters", {{"full_attention", {{"rope_theta", 1}}}}, {"'full_attention'", "one for all layers"}},
      {"num_experts_per_tok", 9, {"9 experts per token of 8"}},
      {"n_group", 3, {"groups", "8 experts"}},
      {"n_group", 0, {"'n_group' is 0", "1 to"}},
      {"topk_group", 2, {"'topk_group' is 2", "1 of 'n_group'"}},
      {"routed_scaling_factor", -1.5, {"'routed_scaling_factor' is -1.5", "above 0"}},
      {"rms_norm_eps", 2, {"'rms_norm_eps' is 2", "0 to 1"}},
      {"rms_norm_eps", -1, {"'rms_norm_eps' is -1", "0 to 1"}},
      {"num_attention_heads", 0, {"'num_attention_heads' is 0", "at least 1"}},
      {"max_position_embeddings", 0, {"'max_position_embeddings' is 0"}},
      {"num_nextn_predict_layers",
       2,
       {"1 multi-token-prediction layers are stored", "'num_nextn_predict_layers' is 2"}},
      {"layer_types", {"full_attention", "linear_attention", "full_attention"}, {"'linear_attention' is not one of"}},
      {"text_config", Json::object(), {"'glm4_moe'", "has no 'text_config'"}},
      {"eos_token_id", "end", {"'eos_token_id' is \"end\""}},
  };
  for (const Bad& bad : all) {
    const TinyCheckpoint tiny("glm4_moe");
    edit_config(tiny, [&](Json& config) { config[bad.key] = bad.value; });
    const std::string message = load_error(tiny);
    EXPECT_NE(message.find("config.json"), std::string::npos) << message;
    for (const std::string_view word : bad.words)
      EXPECT_NE(message.find(word), std::string::npos) << word << " in: " << message;
  }
}

TEST(BadCheckpoint, ConfigAndWeightsDisagree) {
  for (const auto& [key, value] : std::map<std::string, int>{{"hidden_size", 96},
                                                             {"vocab_size", 95},
                                                             {"intermediate_size", 64},
                                                             {"n_routed_experts", 7},
                                                             {"head_dim", 8}}) {
    const TinyCheckpoint tiny("glm4_moe");
    edit_config(tiny, [&, k = key, v = value](Json& config) { config[k] = v; });
    expect_words(load_error(tiny), {"has shape", "but config.json means"});
  }
  const TinyCheckpoint more("llama");
  edit_config(more, [](Json& config) { config["num_hidden_layers"] = 4; });
  expect_words(load_error(more), {"model.layers.3.input_layernorm.weight", "missing"});
  const TinyCheckpoint fewer("llama");
  edit_config(fewer, [](Json& config) { config["num_hidden_layers"] = 2; });
  expect_words(load_error(fewer), {"model.layers.2", "not used", "'num_nextn_predict_layers' is missing"});
}

TEST(BadCheckpoint, MissingAndForeignTensors) {
  const TinyCheckpoint missing("glm4_moe");
  edit_tensors(missing, [](auto& tensors) {
    std::erase_if(tensors,
                  [](const StoredTensor& t) { return t.name == "model.layers.1.mlp.experts.5.up_proj.weight"; });
  });
  expect_words(load_error(missing), {"model.layers.1.mlp.experts.5.up_proj.weight", "missing", "[32, 64]"});

  const TinyCheckpoint foreign("llama");
  edit_tensors(foreign, [](auto& tensors) {
    tensors.push_back(tensors.front());
    tensors.back().name = "model.layers.0.self_attn.sinks";
  });
  expect_words(load_error(foreign), {"model.layers.0.self_attn.sinks", "not used"});

  const TinyCheckpoint harmless("llama");
  edit_tensors(harmless, [](auto& tensors) {
    tensors.push_back(tensors.front());
    tensors.back().name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  });
  EXPECT_EQ(load_error(harmless), "no error");
}

TEST(BadCheckpoint, NotFiniteWeightsAreNamedAndNeverUsed) {
  std::vector<float> values(64, 1.0f);
  values[10] = std::numeric_limits<float>::quiet_NaN();
  const TinyCheckpoint norm("llama");
  edit_tensors(norm, [&](auto& tensors) {
    named(tensors, "model.layers.1.input_layernorm.weight").data = reinterpret_cast<const std::byte*>(values.data());
  });
  expect_words(load_error(norm), {"model.layers.1.input_layernorm.weight", "NaN"});

  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const char* compute : {"f32", "default"}) {
      const TinyCheckpoint tiny("llama");
      std::vector<float> matrix(64 * 64, 0.1f);
      for (std::size_t i = 0; i < 64; ++i) matrix[i] = bad;
      edit_tensors(tiny, [&](auto& tensors) {
        named(tensors, "model.layers.1.self_attn.o_proj.weight").data =
            reinterpret_cast<const std::byte*>(matrix.data());
      });
      Engine engine({.threads = 1, .compute = compute});
      const auto model = load_model(tiny.directory(), engine);
      const auto state = model->new_state(8);
      expect_words(message_of([&] {
                     model->forward({{TokenId{1}}, {-1}}, *state, {});
                   }),
                   {"not finite", "model.layers.1.self_attn.o_proj.weight", "damaged"});
    }
  }
}

// A choice that NaN made would leave logits finite.
TEST(BadCheckpoint, NotFiniteIndexersAreNamed) {
  for (const char* part : {"wq_b", "wk", "weights_proj"}) {
    const std::string name = fmt::format("model.layers.0.self_attn.indexer.{}.weight", part);
    const TinyCheckpoint tiny("deepseek_v32");
    const std::vector<std::byte> not_numbers(1 << 16, std::byte{0xff});
    edit_tensors(tiny, [&](auto& tensors) { named(tensors, name).data = not_numbers.data(); });
    Engine engine({.threads = 1});
    const auto model = load_model(tiny.directory(), engine);
    const auto state = model->new_state(32);
    const std::vector<TokenId> text(20, TokenId{1});
    expect_words(message_of([&] { model->forward(chain_of(text), *state, {}); }), {"not finite", name, "damaged"});
  }
}

TEST(BadCheckpoint, TokensOutsideTheVocabulary) {
  const TinyCheckpoint tiny("llama");
  Engine engine({.threads = 1});
  const auto model = load_model(tiny.directory(), engine);
  const auto state = model->new_state(8);
  for (const int id : {-1, kTinyVocab, 1 << 30}) {
    expect_words(message_of([&] {
                   model->forward({{TokenId{id}}, {-1}}, *state, {});
                 }),
                 {fmt::format("token id {}", id), "96 ids"});
  }
}

TEST(BadCheckpoint, NoDirectoryNoConfigNoWeights) {
  Engine engine({.threads = 1});
  expect_words(message_of([&] { load_model("/nonexistent/model", engine); }), {"/nonexistent/model/config.json"});
  const TinyCheckpoint tiny("llama");
  std::filesystem::resize_file(tiny.directory() / "model.safetensors", 5000);
  expect_words(load_error(tiny), {"model.safetensors"});
  std::filesystem::remove(tiny.directory() / "model.safetensors");
  expect_words(load_error(tiny), {tiny.directory().string(), "safetensors"});
  std::ofstream(tiny.directory() / "config.json") << "{\"model_type\": \"llama\",";
  expect_words(load_error(tiny), {"config.json"});
}

TEST(BadCheckpoint, WhatDoesNotFitIntoMemoryIsToldBeforeItIsRead) {
  const TinyCheckpoint tiny("llama");
  constexpr std::int64_t kRows = std::int64_t{1} << 34;
  constexpr std::int64_t kBytes = kRows * 64 * 4;
  std::string header =
      fmt::format(R"({{"lm_head.weight":{{"dtype":"F32","shape":[{},64],"data_offsets":[0,{}]}}}})", kRows, kBytes);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t size = header.size();
  const std::filesystem::path path = tiny.directory() / "model.safetensors";
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&size), sizeof(size))
      .write(header.data(), static_cast<std::streamsize>(size));
  file.close();
  std::error_code no_such_file_here;
  std::filesystem::resize_file(path, 8 + size + static_cast<std::uintmax_t>(kBytes), no_such_file_here);
  if (no_such_file_here) GTEST_SKIP() << "no sparse file of 4 TB here: " << no_such_file_here.message();
  const std::string error = load_error(tiny);
  EXPECT_NE(error.find("4398.0 GB of weights must be in memory"), error.npos) << error;
}

TEST(Engine, OptionsAreChecked) {
  expect_words(message_of([] { Engine engine({.threads = -1}); }), {"-1 threads"});
  expect_words(message_of([] { Engine engine({.compute = "f64"}); }), {"'f64'", "default, f32"});
  expect_words(message_of([] { Engine engine({.cpu = "sse9"}); }), {"'sse9'", "generic"});
}

TEST(Model, SaysWhatItIs) {
  const TinyCheckpoint tiny("glm4_moe");
  std::ofstream(tiny.directory() / "generation_config.json") << R"({"eos_token_id": [7, 9]})";
  edit_config(tiny, [](Json& config) { config["eos_token_id"] = 9; });
  Engine engine({.threads = 1});
  const auto model = load_model(tiny.directory(), engine);
  const ModelInfo& info = model->info();
  EXPECT_EQ(info.architecture, "glm4_moe");
  EXPECT_EQ(info.hash.size(), 16u);
  EXPECT_EQ(info.experts, 8);
  EXPECT_EQ(info.experts_per_token, 3);
  EXPECT_EQ(info.mtp_layers, 1);
  EXPECT_EQ(info.eos, (std::vector{TokenId{9}, TokenId{7}}));
  EXPECT_EQ(describe_model(tiny.directory()).layers, 3);

  // Weights by hand: 3 experts of 3 matrices of 32 x 64 float32, and everything else once.
  const WeightBytes& bytes = model->bytes();
  EXPECT_EQ(bytes.expert, (std::vector<std::int64_t>{0, 3 * 32 * 64 * 4, 3 * 32 * 64 * 4}));
  EXPECT_EQ(bytes.head, 96 * 64 * 4);
  EXPECT_EQ(bytes.embedding_row, 64 * 4);
  const std::int64_t attention = 4 * ((64 * 64 * 2 + 2 * 32 * 64) + (64 + 32 + 32) + 2 * 16 + 2 * 64);
  const std::int64_t shared = 4 * (3 * 32 * 64 + 8 * 64 + 8);
  EXPECT_EQ(bytes.fixed, 3 * attention + 3 * 96 * 64 * 4 + 2 * shared + 64 * 4 + bytes.head);
  EXPECT_EQ(bytes.total, bytes.fixed + 2 * 8 * bytes.expert[1] + 96 * 64 * 4);
}

TEST(Model, AStoredHeadOfATiedModelIsTheEmbedding) {
  const TinyCheckpoint tiny("qwen3");
  edit_config(tiny, [](Json& config) { config["tie_word_embeddings"] = true; });
  expect_words(load_error(tiny), {"tie_word_embeddings", "lm_head.weight", "not the embedding"});
}

TEST(Config, InfinitiesOfPythonAreEndsOfIntervalsAndNoNumbers) {
  const ConfigReader config(
      R"({"time_step_limit": [0.0, Infinity], "low": -Infinity, "text": "a \"NaN\" stays", "n": 3})", "config.json");
  EXPECT_EQ(config.interval("time_step_limit", {1, 2}), (std::array{0.0, std::numeric_limits<double>::infinity()}));
  expect_words(message_of([&] { config.number("low", 1); }), {"config.json", "'low'", "-Infinity", "a number"});
  EXPECT_EQ(config.text("text", ""), "a \"NaN\" stays");
  EXPECT_EQ(config.count("n"), 3);
}

TEST(BadConfig, WhatWouldBeReadWronglyIsRefused) {
  const TinyCheckpoint blocks("glm4_moe:fp8");
  edit_config(blocks, [](Json& config) {
    config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {96, 96}}};
  });
  expect_words(load_error(blocks), {"weight_block_size", "[96, 96]", "[128, 128]"});
  const TinyCheckpoint rope("llama");
  for (const char* type : {"linear", "llama3"}) {
    edit_config(rope, [&](Json& config) { config["rope_scaling"] = {{"rope_type", type}}; });
    expect_words(load_error(rope), {"rope_scaling", "needs a 'factor'"});
  }
  const TinyCheckpoint gated("qwen3_next");  // transformers takes it for convolutions, too
  edit_config(gated, [](Json& config) { config["hidden_act"] = "gelu"; });
  expect_words(load_error(gated), {"'hidden_act' is 'gelu'", "expected silu"});
}

// Exactly: in a long text what they differ by is multiplied by thousands.
TEST(Rope, FrequenciesAreThoseOfTransformers) {
  const Rope rope = make_rope(ConfigReader("{}", "here"), {}, 1e6, 128);
  EXPECT_EQ(rope.frequencies[1], 0x1.9c975ap-1F);
  EXPECT_EQ(rope.frequencies[20], 0x1.b4f7e4p-7F);
  EXPECT_EQ(rope.frequencies[63], 0x1.4d1c98p-20F);
  const ConfigReader config(R"({"max_position_embeddings": 64, "rope_scaling": {"rope_type": "yarn", "factor": 2}})",
                            "here");
  const Rope blended = make_rope(config, config.object("rope_scaling"), 100, 34);
  EXPECT_EQ(blended.frequencies[1], 0x1.70ceap-1F);
  EXPECT_EQ(blended.frequencies[3], 0x1.7a98eap-2F);
  EXPECT_EQ(blended.frequencies[8], 0x1.048fdap-4F);
}

TEST(Rope, OldKeysOfGemmaWinOneByOne) {
  const auto frequencies = [](const Json& scaling) {
    const Json linear{{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 1e6}};
    const Json config{{"model_type", "gemma3_text"},
                      {"vocab_size", 96},
                      {"hidden_size", 32},
                      {"num_hidden_layers", 1},
                      {"num_attention_heads", 2},
                      {"num_key_value_heads", 1},
                      {"head_dim", 16},
                      {"intermediate_size", 24},
                      {"max_position_embeddings", 64},
                      {"rope_parameters", {{"full_attention", linear}}},
                      {"rope_scaling", scaling}};
    return read_gemma3(ConfigReader(config.dump(), "here")).ropes[0].frequencies;
  };
  const std::vector<float> stretched = frequencies(nullptr);
  EXPECT_EQ(frequencies(Json::object()), stretched);
  EXPECT_EQ(frequencies({{"rope_type", "linear"}}), stretched);
  std::vector<float> half = frequencies({{"factor", 4}});
  for (float& frequency : half) frequency /= 2;
  EXPECT_EQ(half, stretched);
}

std::vector<float> logits_of(const TinyCheckpoint& tiny) {
  Engine engine({.threads = 1});
  const auto model = load_model(tiny.directory(), engine);
  const auto state = model->new_state(8);
  const MatView logits = model->forward(chain_of(std::vector{TokenId{3}, TokenId{5}}), *state, {}).logits;
  return {logits.data(), logits.data() + logits.size()};
}

TEST(KimiK25, LayersMayBeCalledBlocks) {
  const TinyCheckpoint published("kimi_k25"), saved("kimi_k25");
  edit_tensors(saved, [](std::vector<StoredTensor>& tensors) {
    constexpr std::string_view kLayers = "language_model.model.layers.";
    for (StoredTensor& tensor : tensors) {
      if (tensor.name.starts_with(kLayers)) tensor.name.replace(0, kLayers.size(), "language_model.model.blocks.");
    }
  });
  EXPECT_EQ(logits_of(saved), logits_of(published));
  edit_config(saved, [](Json& config) { config["tie_word_embeddings"] = true; });
  expect_words(load_error(saved), {"'tie_word_embeddings' is true", "language_model.lm_head"});
  edit_tensors(saved, [](std::vector<StoredTensor>& tensors) {
    std::erase_if(tensors, [](const StoredTensor& tensor) { return tensor.name == "language_model.lm_head.weight"; });
  });
  EXPECT_NE(logits_of(saved), logits_of(published));
}

TEST(Model, ARouterThatIsNotFiniteIsTold) {
  for (const char* name : {"glm4_moe", "qwen3_moe", "deepseek_v3"}) {
    const TinyCheckpoint tiny(name);
    std::vector<float> router;
    std::string router_name;
    edit_tensors(tiny, [&](std::vector<StoredTensor>& tensors) {
      for (StoredTensor& tensor : tensors) {
        if (!tensor.name.ends_with(".mlp.gate.weight")) continue;
        router.assign(static_cast<std::size_t>(tensor.elements()), 0.5f);
        router.back() = std::numeric_limits<float>::quiet_NaN();
        router_name = tensor.name;
        tensor.dtype = DType::f32;
        tensor.data = reinterpret_cast<const std::byte*>(router.data());
        tensor.bytes = router.size() * sizeof(float);
        break;
      }
    });
    expect_words(message_of([&] { logits_of(tiny); }), {router_name, "NaN"});
  }
}

TEST(BadConfig, WhatContradictsItselfIsTold) {
  const auto error_of = [](const char* name, const std::function<void(Json&)>& edit) {
    const TinyCheckpoint tiny(name);
    edit_config(tiny, edit);
    return load_error(tiny);
  };
  const auto with = [&](const char* name, const char* key, const Json& value) {
    return error_of(name, [&](Json& config) { config[key] = value; });
  };
  expect_words(with("llama", "model_type", "llama_text"), {"model_type is 'llama_text'"});
  expect_words(error_of("gemma3", [](Json& c) { c["text_config"]["model_type"] = "llama"; }),
               {"model_type is 'llama' inside a gemma3", "gemma3_text"});
  for (const char* name : {"gemma3", "kimi_k25", "qwen3_5", "qwen3_5_moe"}) {
    expect_words(error_of(name, [](Json& c) { c.erase("text_config"); }), {"'text_config' is missing"});
  }
  for (const char* name : {"deepseek_v32", "glm_moe_dsa"}) {
    expect_words(error_of(name, [](Json& c) { c.erase("index_topk"); }), {"'index_topk' is missing"});
    expect_words(with(name, "index_topk", 0), {"'index_topk' is 0", "at least 1"});
  }
  expect_words(error_of("glm_moe_dsa",
                        [](Json& c) {
                          c["indexer_types"] = {"full", "full", "shared"};
                          c["index_topk_pattern"] = "FSS";
                        }),
               {"'indexer_types' and 'index_topk_pattern'", "which of them is right"});
  expect_words(with("nemotron_h", "layers_block_type", {"mamba", "moe", "attention"}),
               {"'layers_block_type' and 'hybrid_override_pattern'", "which of them is right"});
  expect_words(with("nemotron_h", "attention_head_dim", 7), {"'head_dim' is 12, but 'attention_head_dim' is 7"});
  expect_words(with("nemotron_h", "time_step_limit", {0.1}), {"'time_step_limit' is [0.1]", "two numbers"});
  expect_words(with("nemotron_h", "layer_norm_epsilon", -1), {"'layer_norm_epsilon' is -1"});
  expect_words(with("gpt_oss", "swiglu_limit", 0), {"'swiglu_limit' is 0", "above 0"});
  expect_words(with("gpt_oss", "sliding_window", nullptr), {"sliding_attention", "'sliding_window' is null"});
  expect_words(with("olmoe", "clip_qkv", -1), {"'clip_qkv' is -1", "above 0"});
  expect_words(with("mistral", "sliding_window", 0), {"'sliding_window' is 0", "at least 1"});
  expect_words(with("qwen2", "layer_types", {"sliding_attention", "full_attention", "full_attention"}),
               {"'use_sliding_window' is not true"});
  expect_words(error_of("qwen3_5_moe", [](Json& c) { c["text_config"]["mtp_num_hidden_layers"] = 0; }),
               {"mtp.layers.0", "not used", "'mtp_num_hidden_layers' is 0"});
}

std::vector<float> logits_with(const char* name, const std::function<void(Json&)>& edit) {
  const TinyCheckpoint tiny(name);
  edit_config(tiny, edit);
  Engine engine({.threads = 1, .compute = "f32"});
  const auto model = load_model(tiny.directory(), engine);
  const auto state = model->new_state(16);
  std::vector<TokenId> text;
  for (int i = 0; i < 12; ++i) text.push_back(TokenId{(7 * i + 3) % kTinyVocab});
  const Output out = model->forward(chain_of(text), *state, {});
  return {out.logits.data(), out.logits.data() + out.logits.size()};
}

TEST(Config, KeysThatTransformersIgnoresChangeNothing) {
  const auto expect_same = [](const char* name, const char* key, const Json& value) {
    EXPECT_EQ(logits_with(name, [&](Json& c) { c[key] = value; }), logits_with(name, [](Json&) {})) << name << key;
  };
  for (const char* name : {"llama", "qwen2", "qwen3", "qwen3_moe", "mistral", "olmoe"}) {
    expect_same(name, "partial_rotary_factor", 0.5);
  }
  for (const char* name : {"llama", "olmoe", "glm4_moe"}) expect_same(name, "use_sliding_window", true);
  expect_same("deepseek_v3", "index_topk", 4);
  EXPECT_NE(logits_with("glm4_moe", [](Json& c) { c["partial_rotary_factor"] = 0.25; }),
            logits_with("glm4_moe", [](Json&) {}));
}

TEST(Config, OlderKeysSayTheSame) {
  EXPECT_EQ(logits_with("nemotron_h",
                        [](Json& c) {
                          c["attention_head_dim"] = c["head_dim"];
                          c.erase("head_dim");
                        }),
            logits_with("nemotron_h", [](Json&) {}));
  EXPECT_NE(logits_with("nemotron_h",
                        [](Json& c) {
                          c["time_step_limit"] = {0.5, Json::object({{"__float__", "Infinity"}})};
                        }),
            logits_with("nemotron_h", [](Json&) {}));
}

// A null is no missing key: false, or no part of a head left out.
TEST(Config, NullsSayWhatTheySayToTransformers) {
  const auto expect_same = [](const char* name, const char* key, const Json& value) {
    EXPECT_EQ(logits_with(name, [&](Json& c) { c[key] = nullptr; }),
              logits_with(name, [&](Json& c) { c[key] = value; }))
        << name << key;
  };
  expect_same("glm4_moe", "partial_rotary_factor", 1.0);
  expect_same("deepseek_v3", "norm_topk_prob", false);
  const auto without = [](Json& c) { c.erase("rope_scaling"); };
  EXPECT_EQ(logits_with("gpt_oss", [](Json& c) { c["rope_scaling"] = Json::object(); }),
            logits_with("gpt_oss", without));
}

TEST(Config, LongropeEndsWhereItsFrequenciesWouldChange) {
  const TinyCheckpoint tiny("llama");
  edit_config(tiny, [](Json& c) {
    const std::vector<double> factors(8, 1.5);
    c["rope_scaling"] = {{"rope_type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}};
    c["original_max_position_embeddings"] = 128;
  });
  EXPECT_EQ(describe_model(tiny.directory()).context, 128);
}

// As a Kimi checkpoint is found in the wild: compressed-tensors weights, an MLX block that somebody added to the
// config, and files that are links.
TEST(Model, TensorsDecideTheFormatWhateverTheConfigSays) {
  const TinyCheckpoint tiny("glm4_moe:int4_packed");
  const auto logits = [&] {
    Engine engine({.threads = 1});
    const auto model = load_model(tiny.directory(), engine);
    const auto state = model->new_state(4);
    const Output out = model->forward({{TokenId{3}}, {-1}}, *state, {});
    return std::vector<float>(out.logits.data(), out.logits.data() + out.logits.size());
  };
  const std::vector<float> expected = logits();
  edit_config(tiny, [](Json& config) {
    config["quantization"] = {{"group_size", 64}, {"bits", 8}, {"mode", "affine"}};
    config["quantization_config"] = {{"quant_method", "compressed-tensors"}, {"format", "pack-quantized"}};
  });
  const std::filesystem::path weights = tiny.directory() / "model.safetensors";
  const std::filesystem::path blob = tiny.directory() / "blob";
  std::filesystem::rename(weights, blob);
  std::filesystem::create_symlink(blob, weights);
  EXPECT_EQ(logits(), expected);
}

TEST(Model, WithoutItsMtpLayerItIsWithout) {
  const TinyCheckpoint tiny("glm4_moe");
  edit_tensors(tiny, [](auto& tensors) {
    std::erase_if(tensors, [](const StoredTensor& t) { return t.name.starts_with("model.layers.3."); });
  });
  Engine engine({.threads = 1});
  const auto model = load_model(tiny.directory(), engine);
  EXPECT_EQ(model->mtp(), nullptr);
  EXPECT_EQ(model->info().mtp_layers, 0);
}

// A text model inside a checkpoint with vision, and the same in a file of its own; there is an MTP layer if it is
// stored, whatever the config says.
TEST(Model, ATextModelIsTheSameInsideAndAlone) {
  const TinyCheckpoint inside("qwen3_5_moe");
  const TinyCheckpoint alone("qwen3_5_moe");
  edit_config(alone, [](Json& config) {
    config = Json(config["text_config"]);
    config.erase("mtp_num_hidden_layers");
  });
  edit_tensors(alone, [](auto& tensors) {
    for (StoredTensor& tensor : tensors) {
      constexpr std::string_view kInside = "model.language_model.";
      if (tensor.name.starts_with(kInside)) tensor.name.replace(0, kInside.size(), "model.");
    }
  });
  const auto logits = [](const TinyCheckpoint& tiny) {
    Engine engine({.threads = 1});
    const auto model = load_model(tiny.directory(), engine);
    EXPECT_EQ(model->info().architecture, "qwen3_5_moe");
    EXPECT_EQ(model->info().mtp_layers, 1);
    EXPECT_NE(model->mtp(), nullptr);
    const auto state = model->new_state(4);
    const Output out = model->forward({{TokenId{3}, TokenId{5}}, {-1, 0}}, *state, {});
    return std::vector<float>(out.logits.data(), out.logits.data() + out.logits.size());
  };
  EXPECT_EQ(logits(alone), logits(inside));
}

TEST(Model, RecurrentConfigsThatDoNotFitAreRefused) {
  const auto error_with = [&](const char* key, const Json& value) {
    const TinyCheckpoint tiny("nemotron_h");
    edit_config(tiny, [&](Json& config) { config[key] = value; });
    return load_error(tiny);
  };
  expect_words(error_with("hybrid_override_pattern", "M*X"), {"'hybrid_override_pattern' has a layer 'X'"});
  expect_words(error_with("n_groups", 4), {"6 Mamba heads do not divide over 4 groups"});
  expect_words(error_with("conv_kernel", 99), {"'conv_kernel' is 99", "1 to 16"});
  expect_words(error_with("ssm_state_size", 12), {"has shape", "but config.json means"});
  expect_words(error_with("mlp_hidden_act", "silu"), {"'mlp_hidden_act' is 'silu'", "relu2"});
}

TEST(Model, MtpHeadOverSomeTokensGivesTheirLogits) {
  const TinyCheckpoint whole("glm4_moe");
  const TinyCheckpoint part("glm4_moe");
  const std::vector<std::int64_t> targets{0, 5, 6, 40, 95};
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i < targets.size(); ++i) offsets.push_back(targets[i] - static_cast<std::int64_t>(i));
  edit_tensors(part, [&](auto& tensors) {
    tensors.push_back(
        {"model.layers.3.shared_head.d2t", DType::i64, {5}, reinterpret_cast<const std::byte*>(offsets.data()), 40});
  });
  Engine engine({.threads = 1});
  const auto all = load_model(whole.directory(), engine);
  const auto some = load_model(part.directory(), engine);
  ASSERT_EQ(some->mtp()->head_tokens().size(), 5u);
  const std::vector<float> hidden(64, 0.3f);
  const MatView view(hidden.data(), 1, 64);
  const auto state_all = all->mtp()->new_state(4);
  const auto state_some = some->mtp()->new_state(4);
  const Output a = all->mtp()->forward({{TokenId{3}}, {-1}}, view, HeadStates::of_target, *state_all);
  const Output b = some->mtp()->forward({{TokenId{3}}, {-1}}, view, HeadStates::of_target, *state_some);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    EXPECT_EQ(some->mtp()->head_tokens()[i], TokenId{static_cast<int>(targets[i])});
    EXPECT_EQ(b.logits(0, static_cast<Eigen::Index>(i)), a.logits(0, targets[i]));
  }
  EXPECT_EQ(all->mtp()->bytes().fixed - some->mtp()->bytes().fixed, (96 - 5) * 64 * 4);

  offsets[2] = 500;
  edit_tensors(part, [&](auto& tensors) {
    named(tensors, "model.layers.3.shared_head.d2t").data = reinterpret_cast<const std::byte*>(offsets.data());
  });
  expect_words(load_error(part), {"d2t", "outside the vocabulary"});
}

}  // namespace
}  // namespace specdec

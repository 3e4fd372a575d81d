// Many heads on one key head, windows and choices of positions, over contexts of several spans: what no tiny checkpoint
// has. Neither the width of passes nor threads nor a tree around a row may change a bit.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/engine.h"
#include "experiments/synth.h"
#include "tests/long_text.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

using Json = nlohmann::json;

Json wide(const char* type, Json more) {
  Json config{{"model_type", type},
              {"vocab_size", kTinyVocab},
              {"hidden_size", 64},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 32},
              {"num_key_value_heads", 1},
              {"head_dim", 16},
              {"intermediate_size", 64},
              {"max_position_embeddings", 4096},
              {"rms_norm_eps", 1e-5},
              {"hidden_act", "silu"},
              {"q_lora_rank", 16},
              {"kv_lora_rank", 24},
              {"qk_nope_head_dim", 8},
              {"qk_rope_head_dim", 8},
              {"v_head_dim", 8},
              {"n_routed_experts", 8},
              {"num_experts_per_tok", 2},
              {"moe_intermediate_size", 32},
              {"n_shared_experts", 1},
              {"n_group", 1},
              {"topk_group", 1},
              {"first_k_dense_replace", 1}};
  config.update(more);
  return config;
}

class WideHeads : public testing::TestWithParam<std::pair<const char*, Json>> {};

TEST_P(WideHeads, NeitherStepsNorThreadsNorBranchesChangeABit) {
  constexpr int kTokens = 1150;
  const Batch chain{{TokenId{5}, TokenId{6}, TokenId{7}}, {-1, 0, 1}};
  const Batch tree{{TokenId{5}, TokenId{6}, TokenId{9}, TokenId{8}, TokenId{7}}, {-1, 0, 0, 2, 1}};
  const TemporaryDirectory directory;
  const auto like = directory.write("config.json", GetParam().second.dump());
  Engine maker({.threads = 1});
  synthesise({.like = like, .experts = "bf16", .rest = "bf16"}, directory.path() / "model", maker);
  std::vector<float> first;
  for (const int threads : {1, 2, 8}) {
    Engine engine({.threads = threads});
    const auto model = load_model(directory.path() / "model", engine);
    for (const int step : {64, 1150}) {
      for (const Batch& batch : {chain, tree}) {
        const auto logits = logits_after(*model, kTokens, step, batch);
        if (first.empty()) first = logits;
        EXPECT_EQ(logits, first) << threads << " threads, step " << step;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, WideHeads,
                         testing::Values(std::pair("window", wide("mistral", {{"sliding_window", 700}})),
                                         std::pair("latent", wide("deepseek_v3", {{"num_key_value_heads", 32}})),
                                         std::pair("chosen", wide("deepseek_v32", {{"num_key_value_heads", 32},
                                                                                   {"index_topk", 700},
                                                                                   {"index_n_heads", 4},
                                                                                   {"index_head_dim", 16}}))),
                         [](const auto& instance) { return instance.param.first; });

}  // namespace
}  // namespace specdec

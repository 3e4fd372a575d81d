// What a state keeps of a text, against what the inventory counts of it from config.json alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/blocks/decoder_state.h"
#include "core/engine.h"
#include "core/inventory.h"
#include "experiments/synth.h"
#include "tests/temporary_directory.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(SPECDEC_SOURCE_DIR) / "tests/data/models";
constexpr int kContext = 16 * kKvChunk;
constexpr int kRows = 32;  // of a pass

CacheShape counted(const fs::path& directory) {
  return take_inventory(text_part(ConfigReader::of_file(directory / "config.json"))).cache;
}

// Without the buffers of passes.
std::int64_t kept_bytes(State& state) {
  return state.memory_bytes() - static_cast<DecoderState&>(state).buffers().bytes();
}

// What the inventory does not count: vectors are padded to 16 elements, here of 8 and more; recurrent layers keep what
// the steps of pending rows read, which is there after the first pass and does not grow with the text.
TEST(KeptBytes, AreCountedButForPaddingAndPendingRows) {
  const std::vector<TokenId> tokens(kRows, TokenId{1});
  for (const auto& entry : fs::directory_iterator(kData)) {
    SCOPED_TRACE(entry.path().filename());
    Engine engine({.threads = 1, .cache = "f16"});
    const auto model = load_model(entry.path(), engine);
    const CacheShape cache = counted(entry.path());
    const auto state = model->new_state(kContext);
    EXPECT_GE(kept_bytes(*state), cache.kept_at(kContext));
    EXPECT_LE(kept_bytes(*state), 2 * cache.kept_at(kContext));
    std::int64_t of_rows = 0;
    while (state->length() < kContext) {
      model->forward(chain_of(tokens), *state, {.layers = {}, .logits = false});
      state->commit(whole_chain(kRows));
      if (of_rows == 0) of_rows = kept_bytes(*state);
    }
    EXPECT_EQ(kept_bytes(*state), of_rows);
  }
}

TEST(KeptBytes, AreCountedExactlyWhereNothingIsPadded) {
  for (const char* name : {"qwen3", "mistral", "gpt_oss", "gemma3", "glm4_moe_lite", "deepseek_v3", "deepseek_v32",
                           "nemotron_h", "qwen3_next"}) {
    SCOPED_TRACE(name);
    nlohmann::json config = nlohmann::json::parse(std::ifstream(kData / name / "config.json"));
    for (const char* key : {"head_dim", "kv_lora_rank", "qk_rope_head_dim", "index_head_dim", "linear_key_head_dim",
                            "linear_value_head_dim", "mamba_head_dim"}) {
      if (config.contains(key)) config[key] = 16;
    }
    const TemporaryDirectory directory;
    const auto like = directory.write("config.json", config.dump());
    Engine engine({.threads = 1, .cache = "f16"});
    synthesise({.like = like, .experts = "bf16", .rest = "bf16"}, directory.path() / "model", engine);
    const auto model = load_model(directory.path() / "model", engine);
    EXPECT_EQ(model->new_state(kContext)->memory_bytes(), counted(directory.path() / "model").kept_at(kContext));
  }
}

}  // namespace
}  // namespace specdec

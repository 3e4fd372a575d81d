// Latent attention and its indexer where the laws' texts do not reach: contexts of several chunks of a cache and of
// several pieces of an indexer's work, caches of every type, and maps of latents in every weight format.
#include "core/blocks/latent_attention.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/batch.h"
#include "core/error.h"
#include "core/rng.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using Rows = std::vector<std::vector<float>>;

constexpr int kTop = 100, kLong = 600;

std::vector<TokenId> long_text() {
  std::vector<TokenId> tokens;
  for (std::uint64_t i = 0; i < kLong; ++i) tokens.push_back(TokenId{static_cast<int>(Rng(3).bits(i) % kTinyVocab)});
  return tokens;
}

void append_rows(const Output& out, Rows& rows) {
  for (Eigen::Index i = 0; i < out.logits.rows(); ++i) {
    const std::span row = row_span(out.logits, i);
    rows.emplace_back(row.begin(), row.end());
  }
}

// Logits after every token, `width` tokens a pass.
Rows in_passes(const Model& model, std::span<const TokenId> tokens, std::size_t width) {
  const auto state = model.new_state(kLong + 8);
  Rows rows;
  for (std::size_t i = 0; i < tokens.size(); i += width) {
    const auto part = tokens.subspan(i, std::min(width, tokens.size() - i));
    append_rows(model.forward(chain_of(part), *state, {}), rows);
    state->commit(whole_chain(static_cast<int>(part.size())));
  }
  return rows;
}

std::unique_ptr<Model> load(const TinyCheckpoint& tiny, int top, Engine& engine) {
  const std::filesystem::path path = tiny.directory() / "config.json";
  nlohmann::json config = nlohmann::json::parse(std::ifstream(path));
  config["index_topk"] = top;
  std::ofstream(path) << config;
  return load_model(tiny.directory(), engine);
}

class Sparse : public testing::TestWithParam<std::string> {};

TEST_P(Sparse, AnyWidthGivesTheBitsOfWidthOneInAnyCache) {
  const TinyCheckpoint tiny(GetParam());
  for (const char* cache : {"f32", "f16", "q8"}) {
    Engine engine({.threads = 2, .cache = cache});
    const auto model = load(tiny, kTop, engine);
    const auto tokens = long_text();
    const Rows one = in_passes(*model, tokens, 1);
    for (const std::size_t width : {7u, 100u, 600u}) {
      EXPECT_EQ(in_passes(*model, tokens, width), one) << cache << ", width " << width;
    }
  }
}

TEST_P(Sparse, ATreeRowSeesTheBestOfItsOwnPath) {
  const TinyCheckpoint tiny(GetParam());
  Engine engine({.threads = 2});
  const auto model = load(tiny, kTop, engine);
  const auto tokens = long_text();
  const auto prompt = std::span(tokens).first(300);
  const Batch tree{{TokenId{1}, TokenId{2}, TokenId{3}, TokenId{4}, TokenId{5}}, {-1, 0, 0, 1, 2}};
  for (const std::vector<int>& path : {std::vector{0, 1, 3}, std::vector{0, 2, 4}}) {
    const auto state = model->new_state(kLong);
    model->forward(chain_of(prompt), *state, {});
    state->commit(whole_chain(300));
    Rows rows;
    append_rows(model->forward(tree, *state, {}), rows);
    state->commit(path);
    append_rows(model->forward({{TokenId{9}}, {-1}}, *state, {}), rows);
    std::vector<TokenId> text(prompt.begin(), prompt.end());
    for (const int row : path) text.push_back(tree.tokens[static_cast<std::size_t>(row)]);
    text.push_back(TokenId{9});
    const Rows expected = in_passes(*model, text, text.size());
    EXPECT_EQ(rows[static_cast<std::size_t>(path.back())], expected[302]);
    EXPECT_EQ(rows.back(), expected[303]);
  }
}

TEST_P(Sparse, RowsThatSeeNoMoreThanTheBestAreDense) {
  const TinyCheckpoint tiny(GetParam());
  Engine engine({.threads = 1});
  const auto tokens = long_text();
  const Rows sparse = in_passes(*load(tiny, kTop, engine), tokens, 64);
  const Rows dense = in_passes(*load(tiny, 1000, engine), tokens, 64);
  for (std::size_t row = 0; row < kTop; ++row) EXPECT_EQ(sparse[row], dense[row]) << row;
  EXPECT_NE(sparse.back(), dense.back());
}

INSTANTIATE_TEST_SUITE_P(Tiny, Sparse, testing::Values("deepseek_v32", "glm_moe_dsa"),
                         [](const auto& instance) { return instance.param; });

// Row by row, the transpose of some rows of a map multiplies by what their elements are.
TEST(Transposed, IsTheMapOfEveryFormat) {
  constexpr std::int64_t kFirst = 24, kRows = 20, kIn = 64;
  Engine engine({.threads = 1});
  for (const std::string& name : tiny_checkpoints()) {
    if (name.find(':') == name.npos) continue;
    SCOPED_TRACE(name);
    const TinyCheckpoint tiny(name);
    WeightFile file(tiny.directory());
    const std::string path = "model.layers.1.self_attn.q_proj";
    const Weight rows = file.table(path, {64, kIn}).rows(kFirst, kRows);
    const Weight turned = file.transposed(rows);
    ASSERT_EQ(turned.out, kIn);
    ASSERT_EQ(turned.in, kRows);
    std::vector<float> expected(kIn), got(kIn);
    for (std::int64_t row = 0; row < kRows; ++row) {
      rows.format->unpack(rows, row, expected.data(), engine.kernels());
      std::vector<float> one(kRows, 0.0f);
      one[static_cast<std::size_t>(row)] = 1;
      const Activations x{.x = one.data(), .stride = kRows, .q8 = std::nullopt};
      multiply_panels(turned, 0, kIn, x, nullptr, 1, got.data(), kIn, engine.kernels());
      EXPECT_EQ(got, expected) << row;
    }
  }
}

}  // namespace
}  // namespace specdec

#include "tokenizers/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(SPECDEC_SOURCE_DIR) / "tests/data/tokenizers";

std::vector<int> ids_of(const std::vector<TokenId>& tokens) {
  std::vector<int> ids;
  for (const TokenId token : tokens) ids.push_back(index(token));
  return ids;
}

void expect_goldens(const Tokenizer& tokenizer, const fs::path& goldens) {
  const auto cases = nlohmann::json::parse(std::ifstream(goldens));
  ASSERT_GT(cases.size(), 50u);
  for (const auto& golden : cases) {
    const auto text = golden["text"].get<std::string>();
    EXPECT_EQ(ids_of(tokenizer.encode(text)), golden["ids"].get<std::vector<int>>()) << golden["text"];
  }
}

double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

class TokenizerGoldens : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerGoldens, IdsEqualTheOriginalLibrary) {
  const auto tokenizer = load_tokenizer(kData / GetParam());
  ASSERT_TRUE(tokenizer);
  expect_goldens(*tokenizer, kData / GetParam() / "goldens.json");
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGoldens,
                         testing::Values("gpt2", "llama3", "nfc_flags", "prefix_digits", "deepseek", "behaviors",
                                         "spm_bpe", "spm_unigram", "spm_rules"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST(Glm, IdsEqualTheOriginalLibraryAndLoadingIsFast) {
  fs::path shared = fs::path(SPECDEC_SOURCE_DIR) / "../shared/tokenizers/glm-4.6.json.gz";
  if (!fs::exists(shared))
    shared = fs::path(SPECDEC_SOURCE_DIR) / "../../shared/tokenizers/glm-4.6.json.gz";  // a worktree
  if (!fs::exists(shared)) GTEST_SKIP() << "no ../shared/tokenizers/glm-4.6.json.gz: the real file is never shipped";
  const fs::path file = fs::path(testing::TempDir()) / "glm-4.6.json";
  const std::string unpack = "gzip -dc '" + shared.string() + "' > '" + file.string() + "'";
  if (std::system(unpack.c_str()) != 0) GTEST_SKIP() << "gzip cannot unpack " << shared;
  std::unique_ptr<Tokenizer> glm;
  const double load_s = seconds([&] { glm = load_tokenizer(file); });
  fs::remove(file);
  RecordProperty("load_s", std::to_string(load_s));
  EXPECT_LT(load_s, 3.0);  // 0.4 s on an idle core; the margin is for a busy one
  EXPECT_EQ(glm->size(), 151365);
  expect_goldens(*glm, kData / "glm-4.6.goldens.json");
}

}  // namespace
}  // namespace specdec

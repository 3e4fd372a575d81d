// Row invariance, over every architecture, level, thread count and way to compute: what one row says does not depend on
// how many rows share its pass, on the tree around it, or on how its past was chunked.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/batch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/model.h"
#include "core/rng.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

using Logits = std::vector<float>;

std::vector<TokenId> some_tokens(int count) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(TokenId{static_cast<int>(Rng(11).bits(static_cast<std::uint64_t>(i)) % kTinyVocab)});
  }
  return tokens;
}

Logits row_of(const Output& out, int row) {
  return {out.logits.row(row).data(), out.logits.row(row).data() + out.logits.cols()};
}

// Logits after every token, `width` tokens a pass.
std::vector<Logits> in_passes(const Model& model, std::span<const TokenId> tokens, std::size_t width) {
  const auto state = model.new_state(256);
  std::vector<Logits> all;
  for (std::size_t i = 0; i < tokens.size(); i += width) {
    const auto part = tokens.subspan(i, std::min(width, tokens.size() - i));
    const Output out = model.forward(chain_of(part), *state, {});
    for (int row = 0; row < static_cast<int>(part.size()); ++row) all.push_back(row_of(out, row));
    state->commit(whole_chain(static_cast<int>(part.size())));
  }
  return all;
}

struct Case {
  std::string checkpoint, cpu, compute;
  int threads;
};

class Rows : public testing::TestWithParam<Case> {
 protected:
  TinyCheckpoint checkpoint_{GetParam().checkpoint};
  Engine engine_{{.threads = GetParam().threads, .compute = GetParam().compute, .cpu = GetParam().cpu}};
  std::unique_ptr<Model> model_ = load_model(checkpoint_.directory(), engine_);
};

class MtpRows : public Rows {};

TEST_P(Rows, AnyWidthGivesTheBitsOfWidthOne) {
  const auto tokens = some_tokens(70);
  const auto one = in_passes(*model_, tokens, 1);
  for (const std::size_t width : {2u, 3u, 5u, 8u, 16u, 17u, 33u, 70u}) {
    EXPECT_EQ(in_passes(*model_, tokens, width), one) << "width " << width;
  }
}

TEST_P(Rows, ATreeRowIsItsPathAsAChain) {
  const auto tokens = some_tokens(12);
  const auto prompt = std::span(tokens).first(6);
  //        0
  //      1   2
  //     3 4   5
  const Batch tree{some_tokens(6), {-1, 0, 0, 1, 1, 2}};
  const std::vector<std::vector<int>> paths{{0}, {0, 1}, {0, 2}, {0, 1, 3}, {0, 1, 4}, {0, 2, 5}};
  const auto state = model_->new_state(64);
  model_->forward(chain_of(prompt), *state, {});
  state->commit(whole_chain(6));
  const Output out = model_->forward(tree, *state, {});
  for (const auto& path : paths) {
    std::vector<TokenId> text(prompt.begin(), prompt.end());
    for (const int row : path) text.push_back(tree.tokens[static_cast<std::size_t>(row)]);
    EXPECT_EQ(row_of(out, path.back()), in_passes(*model_, text, text.size()).back());
  }
  // Keeping any path leaves the state of its text.
  for (const auto& path : paths) {
    const auto kept = model_->new_state(64);
    model_->forward(chain_of(prompt), *kept, {});
    kept->commit(whole_chain(6));
    model_->forward(tree, *kept, {});
    kept->commit(path);
    std::vector<TokenId> text(prompt.begin(), prompt.end());
    for (const int row : path) text.push_back(tree.tokens[static_cast<std::size_t>(row)]);
    text.push_back(tokens[9]);
    EXPECT_EQ(row_of(model_->forward({{tokens[9]}, {-1}}, *kept, {}), 0), in_passes(*model_, text, 1).back());
  }
}

TEST_P(Rows, RandomHistoriesOfForwardAndCommit) {
  const auto state = model_->new_state(256);
  std::vector<TokenId> text;
  Rng rng(5);
  for (std::uint64_t step = 0; step < 25; ++step) {
    const auto width = 1 + rng.fork(step).bits(0) % 6;
    Batch batch;
    for (std::uint64_t i = 0; i < width; ++i) {
      batch.tokens.push_back(TokenId{static_cast<int>(rng.fork(step).bits(10 + i) % kTinyVocab)});
      batch.parents.push_back(static_cast<int>(rng.fork(step).bits(30 + i) % (i + 1)) - 1);
    }
    model_->forward(batch, *state, {});
    std::vector<int> path;
    if (rng.fork(step).bits(1) % 5 != 0) {  // else roll back
      for (int row = static_cast<int>(rng.fork(step).bits(2) % width); row >= 0;
           row = batch.parents[static_cast<std::size_t>(row)]) {
        path.insert(path.begin(), row);
      }
    }
    state->commit(path);
    for (const int row : path) text.push_back(batch.tokens[static_cast<std::size_t>(row)]);
    ASSERT_EQ(state->length(), static_cast<int>(text.size()));
    ASSERT_EQ(state->pending(), 0);
  }
  text.push_back(TokenId{3});
  EXPECT_EQ(row_of(model_->forward({{TokenId{3}}, {-1}}, *state, {}), 0), in_passes(*model_, text, 1).back());
}

TEST_P(MtpRows, AnyWidthGivesTheBitsOfWidthOne) {
  const DraftHead* mtp = model_->mtp();
  ASSERT_NE(mtp, nullptr);
  const auto tokens = some_tokens(20);
  const auto state = model_->new_state(64);
  const Output seen = model_->forward(chain_of(tokens), *state, {.layers = {-1}});
  const auto run = [&](int width) {
    const auto head = mtp->new_state(64);
    std::vector<Logits> all;
    for (int i = 0; i < 19; i += width) {
      const int count = std::min(width, 19 - i);
      const MatView hidden(seen.hidden[0].row(i).data(), count, seen.hidden[0].cols());
      const auto next = std::span(tokens).subspan(static_cast<std::size_t>(i + 1), static_cast<std::size_t>(count));
      const Output out = mtp->forward(chain_of(next), hidden, HeadStates::of_target, *head);
      for (int row = 0; row < count; ++row) all.push_back(row_of(out, row));
      head->commit(whole_chain(count));
    }
    return all;
  };
  const auto one = run(1);
  EXPECT_EQ(run(2), one);
  EXPECT_EQ(run(7), one);
  EXPECT_EQ(run(19), one);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& checkpoint : tiny_checkpoints()) {
    for (const std::string_view cpu : cpu_levels()) {
      for (const char* compute : {"f32", "default"}) {
        // How threads share rows out is one for all weight formats; their products in float32 differ in how weights are
        // decoded, which the law of formats looks at on every level.
        const bool is_format = checkpoint.find(':') != checkpoint.npos;
        if (is_format && compute == std::string_view("f32") && cpu != cpu_levels().front()) continue;
        if (!is_format) all.push_back({checkpoint, std::string(cpu), compute, 1});
        all.push_back({checkpoint, std::string(cpu), compute, 2});
      }
    }
  }
  return all;
}

std::string name_of_case(const testing::TestParamInfo<Case>& instance) {
  const Case& c = instance.param;
  std::string name = fmt::format("{}_{}_{}_{}threads", c.checkpoint, c.cpu, c.compute, c.threads);
  std::ranges::replace(name, ':', '_');
  return name;
}

std::vector<Case> mtp_cases() {
  std::vector<Case> all = cases();
  constexpr std::array<std::string_view, 5> kWithMtp{"deepseek_v3", "glm4_moe", "glm_moe_dsa", "nemotron_h",
                                                     "qwen3_5_moe"};
  std::erase_if(all, [&](const Case& c) {
    return std::ranges::find(kWithMtp, c.checkpoint.substr(0, c.checkpoint.find(':'))) == kWithMtp.end();
  });
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Rows, testing::ValuesIn(cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(All, MtpRows, testing::ValuesIn(mtp_cases()), name_of_case);

TEST(RowsAcrossThreads, ThreadCountChangesNothing) {
  for (const std::string& name : tiny_checkpoints()) {
    const TinyCheckpoint checkpoint(name);
    Engine one({.threads = 1});
    Engine three({.threads = 3});
    const auto tokens = some_tokens(40);
    EXPECT_EQ(in_passes(*load_model(checkpoint.directory(), one), tokens, 8),
              in_passes(*load_model(checkpoint.directory(), three), tokens, 5));
  }
}

}  // namespace
}  // namespace specdec

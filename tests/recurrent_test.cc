// Recurrent layers under speculation: states after any partial acceptance are those of plain decoding, bit for bit.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "core/batch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/model.h"
#include "core/rng.h"
#include "draft/drafter.h"
#include "tests/tiny_checkpoint.h"
#include "verify/session.h"

namespace specdec {
namespace {

std::vector<TokenId> tokens_of(std::uint64_t stream, int count) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(TokenId{static_cast<int>(Rng(stream).bits(static_cast<std::uint64_t>(i)) % kTinyVocab)});
  }
  return tokens;
}

std::vector<float> row_of(const Output& out, int row) {
  return {out.logits.row(row).data(), out.logits.row(row).data() + out.logits.cols()};
}

class Recurrent : public testing::TestWithParam<std::string> {
 protected:
  static constexpr int kCapacity = 64;
  static constexpr int kMore = 5;  // tokens of plain decoding that tell states apart, and tails of convolutions

  std::unique_ptr<State> after(std::span<const TokenId> text) const {
    auto state = model_->new_state(kCapacity);
    for (const TokenId token : text) {
      model_->forward({{token}, {-1}}, *state, {});
      state->commit(std::array{0});
    }
    return state;
  }

  // Logits of what follows.
  std::vector<std::vector<float>> told(State& state) const {
    std::vector<std::vector<float>> all;
    for (const TokenId token : tokens_of(99, kMore)) {
      all.push_back(row_of(model_->forward({{token}, {-1}}, state, {}), 0));
      state.commit(std::array{0});
    }
    return all;
  }

  // Keeps `path` of what is pending after `prompt`: `batches` one after the other.
  void expect_plain(const std::vector<Batch>& batches, const std::vector<int>& path) const {
    std::vector<TokenId> text = prompt_;
    std::vector<TokenId> pending;
    const auto state = after(text);
    for (const Batch& batch : batches) {
      model_->forward(batch, *state, {});
      pending.insert(pending.end(), batch.tokens.begin(), batch.tokens.end());
    }
    state->commit(path);
    for (const int row : path) text.push_back(pending[static_cast<std::size_t>(row)]);
    EXPECT_EQ(told(*state), told(*after(text)));
  }

  const TinyCheckpoint tiny_{GetParam()};
  Engine engine_{{.threads = 2}};
  const std::unique_ptr<Model> model_ = load_model(tiny_.directory(), engine_);
  const std::vector<TokenId> prompt_ = tokens_of(1, 7);
};

TEST_P(Recurrent, AnyPartOfAChain) {
  for (int kept = 0; kept <= 6; ++kept) expect_plain({chain_of(tokens_of(2, 6))}, whole_chain(kept));
}

TEST_P(Recurrent, AnyPathOfATree) {
  const Batch tree{tokens_of(3, 9), {-1, 0, 0, -1, 1, 1, 2, 5, 3}};
  for (int leaf = 0; leaf < 9; ++leaf) {
    std::vector<int> path;
    for (int row = leaf; row >= 0; row = tree.parents[static_cast<std::size_t>(row)]) path.insert(path.begin(), row);
    expect_plain({tree}, path);
  }
}

TEST_P(Recurrent, SeveralForwardsBetweenCommits) {
  const Batch first{tokens_of(4, 3), {-1, 0, 1}};
  const Batch beside{tokens_of(5, 3), {0, 3, 2}};  // from the first row, on from there, and on from the last
  const Batch last{tokens_of(6, 2), {5, -1}};
  for (const std::vector<int>& path :
       {std::vector<int>{}, {0}, {0, 1, 2}, {0, 3, 4}, {0, 1, 2, 5}, {0, 1, 2, 5, 6}, {7}}) {
    expect_plain({first, beside, last}, path);
  }
}

// More rows than a cache keeps room for.
TEST_P(Recurrent, ALongPromptInOnePass) {
  const std::vector<TokenId> prompt = tokens_of(8, 200);
  const auto one = model_->new_state(256), many = model_->new_state(256);
  model_->forward(chain_of(prompt), *one, {});
  one->commit(whole_chain(150));
  model_->forward(chain_of(std::span(prompt).subspan(150)), *one, {});
  one->commit(whole_chain(50));
  for (const TokenId token : prompt) {
    model_->forward({{token}, {-1}}, *many, {});
    many->commit(std::array{0});
  }
  EXPECT_EQ(told(*one), told(*many));
}

TEST_P(Recurrent, RowsOfATreeSayWhatTheirPathsDo) {
  const auto state = after(prompt_);
  model_->forward({tokens_of(4, 2), {-1, 0}}, *state, {});
  const std::vector<TokenId> more = tokens_of(5, 3);
  const Output out = model_->forward({more, {0, 1, 2}}, *state, {});
  std::vector<TokenId> text = prompt_;
  text.push_back(tokens_of(4, 1)[0]);
  EXPECT_EQ(row_of(out, 0), row_of(model_->forward({{more[0]}, {-1}}, *after(text), {}), 0));
  text.push_back(more[0]);
  EXPECT_EQ(row_of(out, 2), row_of(model_->forward({{more[2]}, {-1}}, *after(text), {}), 0));
}

// Chains and trees, right and wrong guesses, and drafters that append to the target's own state.
TEST_P(Recurrent, DraftersLeaveTheTextAsItIs) {
  const Rule rule = make_rule("sampled");
  const auto text = [&](const std::string& kind, const std::map<std::string, std::string>& options, int width) {
    const auto drafter = make_drafter({kind, "", options}, {.target = *model_, .capacity = kCapacity});
    Session session(*model_, *drafter, rule, Sampler{},
                    {.budget = {.depth = 4, .width = width}, .max_tokens = 40, .capacity = kCapacity}, Rng(1));
    session.prefill(prompt_);
    while (!session.done()) session.step();
    return std::vector<TokenId>(session.generated().begin(), session.generated().end());
  };
  const std::vector<TokenId> plain = text("none", {}, 1);
  ASSERT_EQ(plain.size(), 40U);
  for (const int width : {1, 3}) {
    EXPECT_EQ(text("oracle", {{"right", "0.6"}}, width), plain) << width;
    EXPECT_EQ(text("ngram", {}, width), plain) << width;
    EXPECT_EQ(text("self", {}, width), plain) << width;
    for (const char* experts : {"0", "1"}) EXPECT_EQ(text("self", {{"experts", experts}}, width), plain) << width;
    if (model_->mtp() == nullptr) continue;
    EXPECT_EQ(text("mtp", {}, width), plain) << width;
  }
}

TEST(RecurrentCaches, RowsDoNotDependOnTheTypeOfCache) {
  for (const char* cache : {"f32", "f16", "q8"}) {
    for (const char* name : {"nemotron_h", "qwen3_next"}) {
      const TinyCheckpoint tiny(name);
      Engine engine({.threads = 2, .cache = cache});
      const auto model = load_model(tiny.directory(), engine);
      const std::vector<TokenId> text = tokens_of(7, 9);
      const auto whole = model->new_state(16), one = model->new_state(16);
      const Output all = model->forward(chain_of(text), *whole, {});
      for (int i = 0; i < 9; ++i) {
        const Output single = model->forward({{text[static_cast<std::size_t>(i)]}, {-1}}, *one, {});
        EXPECT_EQ(row_of(single, 0), row_of(all, i)) << name << " " << cache << " " << i;
        one->commit(std::array{0});
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Recurrent, testing::Values("nemotron_h", "qwen3_next", "qwen3_5_moe"),
                         [](const auto& instance) { return instance.param; });

// Against sums in double, for states of one vector and of many.
TEST(RecurrenceKernels, StepsAreTheFormulas) {
  constexpr std::int64_t kKeys = 13;
  for (const Kernels* kernels : kernel_levels()) {
    for (const std::int64_t padded : {16, 64, 80, 128}) {
      SCOPED_TRACE(fmt::format("{} {}", kernels->name, padded));
      std::uint64_t drawn = 0;
      const auto draw = [&](std::int64_t size) {
        std::vector<float> values;
        for (std::int64_t i = 0; i < size; ++i) values.push_back(static_cast<float>(Rng(8).uniform(drawn++) - 0.5));
        return values;
      };
      const auto at = [](const std::vector<float>& x, std::int64_t i) { return x[static_cast<std::size_t>(i)]; };
      const auto from = draw(kKeys * padded), key = draw(kKeys), query = draw(kKeys), value = draw(padded);
      std::vector<float> to = from, out(value.size()), recalled(value.size());
      constexpr float kDecay = 0.75f;
      kernels->recurrence->recall(from.data(), kKeys, padded, key.data(), recalled.data());
      kernels->recurrence->update(to.data(), kKeys, padded, kDecay, key.data(), value.data(), query.data(), to.data(),
                                  out.data());
      for (std::int64_t v = 0; v < padded; ++v) {
        double recall = 0, said = 0;
        for (std::int64_t k = 0; k < kKeys; ++k) {
          recall += static_cast<double>(at(from, k * padded + v)) * at(key, k);
          const double state =
              kDecay * static_cast<double>(at(from, k * padded + v)) + static_cast<double>(at(key, k)) * at(value, v);
          EXPECT_NEAR(at(to, k * padded + v), state, 1e-6);
          said += state * at(query, k);
        }
        EXPECT_NEAR(at(recalled, v), recall, 1e-5);
        EXPECT_NEAR(at(out, v), said, 1e-5);
      }
    }
  }
}

TEST(RecurrenceKernels, ConvolutionsAreTheFormula) {
  constexpr std::int64_t kChannels = 45;
  constexpr int kTaps = 3;
  std::uint64_t drawn = 0;
  const auto draw = [&](std::int64_t size) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < size; ++i) values.push_back(static_cast<float>(4 * Rng(9).uniform(drawn++) - 2));
    return values;
  };
  const std::array rows{draw(kChannels), draw(kChannels), draw(kChannels)};
  const std::array<const float*, kTaps> pointers{rows[0].data(), rows[1].data(), rows[2].data()};
  const auto weights = draw(kTaps * kChannels), bias = draw(kChannels);
  for (const Kernels* kernels : kernel_levels()) {
    constexpr std::int64_t kFirst = 7, kCount = 30;
    std::vector<float> out(kCount);
    kernels->recurrence->convolve(pointers.data(), kTaps, weights.data(), kChannels, bias.data(), kFirst, kCount,
                                  out.data());
    for (std::int64_t i = 0; i < kCount; ++i) {
      const auto channel = static_cast<std::size_t>(kFirst + i);
      double sum = bias[channel];
      for (std::size_t tap = 0; tap < kTaps; ++tap) {
        sum += static_cast<double>(rows[tap][channel]) * weights[tap * kChannels + channel];
      }
      EXPECT_NEAR(out[static_cast<std::size_t>(i)], sum / (1 + std::exp(-sum)), 1e-5) << kernels->name;
    }
  }
}

}  // namespace
}  // namespace specdec

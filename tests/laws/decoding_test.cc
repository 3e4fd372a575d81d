// The laws of lossless_test on the real engine: every drafter, every tiny architecture, one thread and two.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/eagle.h"
#include "core/engine.h"
#include "core/kinds.h"
#include "tests/kind_options.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"
#include "tests/tiny_head.h"
#include "verify/session.h"

namespace specdec {
namespace {

constexpr int kCapacity = 160;
constexpr int kTokens = 48;
const std::vector<TokenId> kPrompt{TokenId{5}, TokenId{17}, TokenId{80}, TokenId{2}, TokenId{33}, TokenId{33}};

const Rule& sampled() {
  static const Rule rule = make_rule("sampled");
  return rule;
}

// A target, a draft model of the same vocabulary and a head, on an engine of their own.
struct Bench {
  Bench(const std::string& checkpoint, int threads)
      : engine({.threads = threads}),
        target(load_model(TinyCheckpoint(checkpoint).directory(), engine)),
        draft(load_model(TinyCheckpoint("qwen3").directory(), engine)) {
    const ModelInfo& info = target->info();
    TinyHead tiny = tiny_eagle3({info.hidden, info.layers, info.vocab});
    tiny.seed = 1;
    const TemporaryDirectory directory;
    tiny.write(directory.path());
    head = load_eagle(directory.path(), *target, engine);
  }

  std::unique_ptr<Drafter> drafter(std::string_view kind, const Sampler& sampler = {}) const {
    DrafterContext context{.target = *target, .draft = draft, .head = head, .sampler = sampler, .capacity = kCapacity};
    return make_drafter({std::string(kind), "", needed_options(kind)}, std::move(context));
  }
  std::vector<std::string_view> kinds() const {
    std::vector<std::string_view> names;
    for (const DrafterKind& kind : drafter_kinds()) {
      if (kind.name != "mtp" || target->mtp()) names.push_back(kind.name);
    }
    return names;
  }

  Engine engine;
  std::shared_ptr<const Model> target, draft;
  std::shared_ptr<const DraftHead> head;
};

std::vector<TokenId> generate(const Bench& bench, Drafter& drafter, const Budget& budget, int prefill_step = 256,
                              const Sampler& sampler = {}) {
  Session session(*bench.target, drafter, sampled(), sampler,
                  {.budget = budget, .max_tokens = kTokens, .capacity = kCapacity, .prefill_step = prefill_step},
                  Rng(1));
  session.prefill(kPrompt);
  while (!session.done()) session.step();
  return {session.generated().begin(), session.generated().end()};
}

class Decoding : public testing::TestWithParam<std::string> {};

TEST_P(Decoding, GreedyTextIsThatOfNoDrafterOnOneThread) {
  const Bench one(GetParam(), 1);
  const auto plain = generate(one, *one.drafter("none"), {});
  for (const int threads : {1, 2}) {
    const Bench bench(GetParam(), threads);
    for (const std::string_view kind : bench.kinds()) {
      for (int depth = 0; depth <= 8; ++depth) {
        for (const int width : {1, 3}) {
          EXPECT_EQ(generate(bench, *bench.drafter(kind), {.depth = depth, .width = width}), plain)
              << kind << ", depth " << depth << ", width " << width << ", threads " << threads;
        }
      }
    }
  }
}

TEST_P(Decoding, AnyPrefillStepGivesTheSameText) {
  const Bench bench(GetParam(), 2);
  for (const std::string_view kind : bench.kinds()) {
    const Sampler sampler{.temperature = 1};
    const auto text = generate(bench, *bench.drafter(kind, sampler), {.depth = 3}, 1, sampler);
    for (const int step : {2, 3, 5, 64}) {
      EXPECT_EQ(generate(bench, *bench.drafter(kind, sampler), {.depth = 3}, step, sampler), text)
          << kind << ", " << step;
    }
  }
}

TEST_P(Decoding, TheTargetAsItsOwnDraftIsAlwaysAccepted) {
  Bench bench(GetParam(), 1);
  bench.draft = bench.target;
  const auto drafter = bench.drafter("small");
  Session session(*bench.target, *drafter, sampled(), {},
                  {.budget = {.depth = 4}, .max_tokens = kTokens, .capacity = kCapacity}, Rng(1));
  session.prefill(kPrompt);
  while (!session.done()) {
    const StepRecord step = session.step();
    EXPECT_EQ(step.accepted(), step.drafted());
  }
}

TEST_P(Decoding, ADraftersMemoryIsThatOfAFreshPrefill) {
  const Bench bench(GetParam(), 1);
  const Sampler sampler{.temperature = 1};
  for (const std::string_view kind : bench.kinds()) {
    const auto used = bench.drafter(kind, sampler);
    Session session(*bench.target, *used, sampled(), sampler,
                    {.budget = {.depth = 3, .width = 2}, .max_tokens = kTokens, .capacity = kCapacity}, Rng(3));
    session.prefill(kPrompt);
    while (!session.done()) session.step();

    const auto fresh = bench.drafter(kind, sampler);
    const auto state = bench.target->new_state(kCapacity);
    const auto told = session.text().first(session.text().size() - 1);
    fresh->lend(*state);
    const Output out = bench.target->forward(chain_of(told), *state, fresh->needs());
    const auto path = whole_chain(static_cast<int>(told.size()));
    state->commit(path);
    fresh->observe({told, path, out.hidden});

    DraftTree expected(session.text().back(), static_cast<int>(told.size()));
    DraftTree tree = expected;
    fresh->propose(expected, {.depth = 4, .width = 2}, Rng(5));
    used->propose(tree, {.depth = 4, .width = 2}, Rng(5));
    ASSERT_EQ(tree.size(), expected.size());
    const bool has_match = std::ranges::find(told, session.text().back()) != told.end();
    const bool needs_match = kind == "ngram" || kind == "suffix";
    EXPECT_EQ(tree.guesses() > 0, kind != "none" && (has_match || !needs_match)) << kind;
    for (int node = 1; node < tree.size(); ++node) {
      EXPECT_EQ(tree[node].token, expected[node].token) << kind;
      ASSERT_EQ(tree[node].q.has_value(), expected[node].q.has_value()) << kind;
      for (int token = 0; tree[node].q && token < kTinyVocab; ++token) {
        EXPECT_EQ((*tree[node].q)[TokenId{token}], (*expected[node].q)[TokenId{token}]) << kind;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, Decoding, testing::ValuesIn(tiny_checkpoints()), [](const auto& checkpoint) {
  std::string name = checkpoint.param;
  std::ranges::replace(name, ':', '_');
  return name;
});

}  // namespace
}  // namespace specdec

#include "verify/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/batch.h"
#include "core/kinds.h"
#include "tests/error_line.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

const std::vector<TokenId> kPrompt = ids({1, 0, 3, 3, 2});

const Rule& sampled() {
  static const Rule rule = make_rule("sampled");
  return rule;
}

std::unique_ptr<Drafter> drafter_for(const Model& target, const std::string& kind, const Sampler& sampler = {},
                                     std::shared_ptr<const Model> draft = nullptr, int capacity = 512) {
  DrafterContext context{.target = target};
  context.draft = std::move(draft);
  context.sampler = sampler;
  context.capacity = capacity;
  return make_drafter({kind, "", {}}, std::move(context));
}

struct Outcome {
  std::vector<TokenId> generated;
  std::vector<StepRecord> steps;
  Ending ending;
};

Outcome run(const Model& target, Drafter& drafter, const SessionOptions& options, const Sampler& sampler = {},
            std::uint64_t seed = 1, std::span<const TokenId> prompt = kPrompt) {
  Session session(target, drafter, sampled(), sampler, options, Rng(seed));
  session.prefill(prompt);
  Outcome all;
  while (!session.done()) all.steps.push_back(session.step());
  all.generated.assign(session.generated().begin(), session.generated().end());
  all.ending = session.ending();
  return all;
}

// Guesses the given text, disturbed: every `wrong_every`-th guess is another token.
class Oracle : public Drafter {
 public:
  Oracle(std::vector<TokenId> text, int wrong_every, int vocab)
      : text_(std::move(text)), wrong_every_(wrong_every), vocab_(vocab) {}
  void observe(const Final& seen) override { seen_.insert(seen_.end(), seen.tokens.begin(), seen.tokens.end()); }
  void propose(DraftTree& tree, const Budget& budget, const Rng&) override {
    EXPECT_EQ(static_cast<int>(seen_.size()), tree.position(0));  // all before the anchor was told, in order
    for (std::size_t i = 0; i < seen_.size(); ++i) EXPECT_EQ(seen_[i], text_[i]);
    int node = 0;
    for (int i = 0; i < budget.row_limit() && i < budget.depth; ++i) {
      const auto at = static_cast<std::size_t>(tree.position(node)) + 1;
      if (at >= text_.size()) return;
      TokenId token = text_[at];
      if (++guesses_ % wrong_every_ == 0) token = TokenId{(index(token) + 1) % vocab_};
      node = tree.add(node, token);
    }
  }

 private:
  std::vector<TokenId> text_, seen_;
  int wrong_every_, vocab_, guesses_ = 0;
};

std::vector<TokenId> whole_text(const Outcome& run) {
  std::vector<TokenId> text = kPrompt;
  text.insert(text.end(), run.generated.begin(), run.generated.end());
  return text;
}

TEST(Session, PlainDecodingEmitsOneTokenPerStep) {
  const ToyModel target({.vocab = 32});
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 20});
  EXPECT_EQ(plain.ending, Ending::max_tokens);
  ASSERT_EQ(plain.steps.size(), 20U);
  for (std::size_t i = 0; i < plain.steps.size(); ++i) {
    EXPECT_EQ(plain.steps[i].position, static_cast<int>(kPrompt.size() - 1 + i));
    EXPECT_EQ(plain.steps[i].rows, 1);
    EXPECT_EQ(plain.steps[i].emitted.size(), 1U);
    EXPECT_FALSE(plain.steps[i].rejected);
    EXPECT_EQ(plain.steps[i].draft.passes, 0);
  }
}

TEST(Session, RejectionsAtEveryPlaceLeaveTheTextAsItIs) {
  const ToyModel target({.vocab = 32});
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 60});
  for (int wrong_every = 1; wrong_every <= 9; ++wrong_every) {
    for (int depth = 1; depth <= 5; ++depth) {
      Oracle oracle(whole_text(plain), wrong_every, 32);
      const Outcome guessed = run(target, oracle, {.budget = {.depth = depth}, .max_tokens = 60});
      EXPECT_EQ(guessed.generated, plain.generated) << wrong_every << ", depth " << depth;
    }
  }
}

TEST(Session, AnyPrefillStepLeavesTheSameState) {
  const ToyModel target({.vocab = 32, .mtp_noise = 0.5});
  const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = 32, .noise = 0.5});
  std::vector<TokenId> prompt;
  for (int i = 0; i < 150; ++i) prompt.push_back(TokenId{(i * 7) % 32});
  for (const std::string kind : {"none", "small", "mtp"}) {
    std::optional<Outcome> first;
    for (const int prefill_step : {1, 2, 7, 64, 149, 1000}) {
      const auto drafter = drafter_for(target, kind, {}, draft);
      const Outcome now = run(target, *drafter,
                              {.budget = {.depth = 3}, .max_tokens = 30, .prefill_step = prefill_step}, {}, 1, prompt);
      if (!first) first = now;
      EXPECT_EQ(now.generated, first->generated) << kind << ", step " << prefill_step;
      EXPECT_EQ(now.steps.size(), first->steps.size()) << kind << ", step " << prefill_step;
    }
  }
}

TEST(Session, ThePromptIsReadBeforeTheFirstStep) {
  const ToyModel target({.vocab = 32, .mtp_noise = 0.0});
  const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = 32});
  for (const std::string kind : {"small", "mtp"}) {
    for (const std::size_t tokens : {1U, 2U, 50U, 64U, 65U, 200U}) {
      const std::vector<TokenId> prompt(tokens, TokenId{4});
      const Outcome all =
          run(target, *drafter_for(target, kind, {}, draft), {.budget = {.depth = 3}, .max_tokens = 8}, {}, 1, prompt);
      const bool silent = kind == "mtp" && tokens == 1;  // no hidden state before the first token
      EXPECT_EQ(all.steps.front().draft.rows, silent ? 0 : 3) << kind << ", " << tokens;
    }
  }
}

// Rows whose logits nobody reads: the bytes of the head are those of the guesses.
TEST(Session, TheHeadOfTheMtpLayerIsReadOncePerGuess) {
  const ToyModel target({.vocab = 32, .mtp_noise = 0.25});
  const auto drafter = drafter_for(target, "mtp");
  Session session(target, *drafter, sampled(), {}, {.budget = {.depth = 3}, .max_tokens = 100}, Rng(1));
  session.prefill(kPrompt);
  const WeightBytes& bytes = target.mtp()->bytes();
  const DraftCost prompt = drafter->cost();
  EXPECT_EQ(prompt.passes, 1);
  EXPECT_EQ(prompt.bytes, bytes.fixed - bytes.head + prompt.rows * bytes.embedding_row);
  while (!session.done()) {
    const StepRecord step = session.step();
    EXPECT_EQ(step.draft.bytes, step.draft.passes * bytes.fixed + step.draft.rows * bytes.embedding_row);
    EXPECT_EQ(step.draft.passes, step.drafted());
  }
}

TEST(Session, APromptOfOneTokenWorks) {
  const ToyModel target({.vocab = 32, .mtp_noise = 0.0});
  const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = 32});
  const auto prompt = ids({4});
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 20}, {}, 1, prompt);
  for (const std::string kind : {"small", "mtp"}) {
    const Outcome drafted =
        run(target, *drafter_for(target, kind, {}, draft), {.budget = {.depth = 3}, .max_tokens = 20}, {}, 1, prompt);
    EXPECT_EQ(drafted.generated, plain.generated) << kind;
    EXPECT_LT(drafted.steps.size(), 10U) << kind;
  }
}

TEST(Session, TheTargetAsItsOwnDraftIsAlwaysAccepted) {
  const auto target = std::make_shared<ToyModel>(ToyOptions{.vocab = 64});
  for (const Sampler& sampler : {Sampler{}, Sampler{.temperature = 1}}) {
    for (const int depth : {1, 3, 7}) {
      const Outcome self = run(*target, *drafter_for(*target, "small", sampler, target),
                               {.budget = {.depth = depth}, .max_tokens = 200}, sampler);
      for (const StepRecord& step : self.steps) {
        EXPECT_EQ(step.accepted(), step.drafted());
        EXPECT_FALSE(step.rejected);
        EXPECT_EQ(step.draft.passes, step.drafted());  // all accepted: the last guess rides along with the next anchor
      }
      EXPECT_EQ(self.steps.size(), static_cast<std::size_t>((200 + depth) / (depth + 1)));
    }
  }
}

TEST(Session, AcceptanceDoesNotDecayAlongAText) {
  const ToyModel target({.vocab = 64, .mtp_noise = 0.25});
  const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = 64, .noise = 0.25});
  for (const std::string kind : {"small", "mtp"}) {
    for (const int width : {1, 2}) {
      const Outcome all = run(target, *drafter_for(target, kind, {}, draft, 3000),
                              {.budget = {.depth = 3, .width = width}, .max_tokens = 2000});
      double accepted[2] = {0, 0};
      double steps[2] = {0, 0};
      for (const StepRecord& step : all.steps) {
        const int half = step.position > 1000 ? 1 : 0;
        accepted[half] += step.accepted();
        steps[half] += 1;
      }
      EXPECT_GT(accepted[0] / steps[0], 0.5) << kind;
      EXPECT_NEAR(accepted[1] / steps[1], accepted[0] / steps[0], 0.25) << kind << ", width " << width;
    }
  }
}

// What a drafter that went through a text guesses, beside a new one that was told the text at once.
TEST(Session, ADraftersMemoryIsThatOfAFreshPrefill) {
  const ToyModel target({.vocab = 16, .mtp_noise = 0.6});
  const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = 16, .noise = 0.6});
  const Sampler sampler{.temperature = 1};
  for (const std::string kind : {"small", "mtp"}) {
    for (const int width : {1, 3}) {
      for (const int tokens : {1, 2, 5, 40, 151}) {
        const auto used = drafter_for(target, kind, sampler, draft);
        const Outcome all = run(target, *used, {.budget = {.depth = 4, .width = width}, .max_tokens = tokens}, sampler);
        const auto text = whole_text(all);

        const auto fresh = drafter_for(target, kind, sampler, draft);
        const auto state = target.new_state(512);
        const std::span<const TokenId> told(text.data(), text.size() - 1);
        const Output out = target.forward(chain_of(told), *state, fresh->needs());
        fresh->observe({told, whole_chain(static_cast<int>(told.size())), out.hidden});

        DraftTree expected(text.back(), static_cast<int>(text.size()) - 1);
        DraftTree tree = expected;
        const Budget budget{.depth = 4, .width = 2};
        fresh->propose(expected, budget, Rng(5));
        used->propose(tree, budget, Rng(5));
        ASSERT_EQ(tree.size(), expected.size()) << kind << ", " << tokens;
        ASSERT_GT(tree.guesses(), 0);
        for (int node = 1; node < tree.size(); ++node) {
          EXPECT_EQ(tree[node].token, expected[node].token);
          EXPECT_EQ(tree[node].parent, expected[node].parent);
          for (int token = 0; token < 16; ++token)
            EXPECT_EQ((*tree[node].q)[TokenId{token}], (*expected[node].q)[TokenId{token}]);
        }
      }
    }
  }
}

TEST(Session, EndOfTextEndsAlsoInsideAnAcceptedDraft) {
  const ToyModel target({.vocab = 8});
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 40});
  for (std::size_t end = 0; end < 12; ++end) {
    const TokenId eos = plain.generated[end];
    const auto first = std::find(plain.generated.begin(), plain.generated.end(), eos);
    const std::vector<TokenId> expected(plain.generated.begin(), first + 1);
    for (int depth = 0; depth <= 6; ++depth) {
      Oracle oracle(whole_text(plain), 1000, 8);
      const Outcome ended = run(target, oracle, {.budget = {.depth = depth}, .max_tokens = 40, .eos = {eos}});
      EXPECT_EQ(ended.ending, Ending::eos);
      EXPECT_EQ(ended.generated, expected);
      std::size_t emitted = 0;
      for (const StepRecord& step : ended.steps) {
        emitted += step.emitted.size();
        // The last token is an accepted guess, or the one more token where no guess was left to make.
        const auto emitted_here = static_cast<int>(step.emitted.size());
        const bool last = &step == &ended.steps.back();
        EXPECT_TRUE(step.accepted() == emitted_here - 1 || (last && step.accepted() == emitted_here));
        if (last && depth > 0 && emitted_here <= step.depth) {
          EXPECT_EQ(step.accepted(), emitted_here);
        }
        EXPECT_FALSE(step.rejected);
      }
      EXPECT_EQ(emitted, expected.size());
    }
  }
}

TEST(Session, ARejectionAfterTheEndOfTextIsNotCounted) {
  const ToyModel target({.vocab = 32});
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 10});
  Oracle oracle(whole_text(plain), 3, 32);  // the third guess is wrong
  const Outcome ended =
      run(target, oracle, {.budget = {.depth = 3}, .max_tokens = 10, .eos = {plain.generated.front()}});
  ASSERT_EQ(ended.steps.size(), 1U);
  EXPECT_EQ(ended.generated.size(), 1U);
  EXPECT_EQ(ended.steps.front().drafted(), 3);
  EXPECT_EQ(ended.steps.front().path, (std::vector<int>{0, 1}));  // the end of text itself was guessed, and accepted
  EXPECT_FALSE(ended.steps.front().rejected);
}

TEST(Session, DraftsGetShorterNearTheEnd) {
  const auto target = std::make_shared<ToyModel>(ToyOptions{.vocab = 32});
  for (int tokens = 0; tokens <= 12; ++tokens) {
    const Outcome all =
        run(*target, *drafter_for(*target, "small", {}, target), {.budget = {.depth = 4}, .max_tokens = tokens});
    EXPECT_EQ(static_cast<int>(all.generated.size()), tokens);
    EXPECT_EQ(all.ending, Ending::max_tokens);
    for (const StepRecord& step : all.steps) EXPECT_EQ(step.accepted(), step.drafted());
  }
}

TEST(Session, TheContextIsUsedToItsLastPosition) {
  const auto target = std::make_shared<ToyModel>(ToyOptions{.vocab = 32, .mtp_noise = 0.1});
  for (const std::string kind : {"none", "small", "mtp"}) {
    for (const int width : {1, 2}) {
      const auto drafter = drafter_for(*target, kind, {}, target, 20);
      const Outcome all =
          run(*target, *drafter, {.budget = {.depth = 5, .width = width}, .max_tokens = 100, .capacity = 20});
      EXPECT_EQ(all.ending, Ending::context);
      EXPECT_EQ(all.generated.size(), 20 - kPrompt.size() + 1) << kind << ", width " << width;
    }
  }
}

TEST(Session, ADraftModelOfAShorterContextFallsSilent) {
  const ToyModel target({.vocab = 32});
  const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = 32, .context = 30});
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 200});
  const Outcome all =
      run(target, *drafter_for(target, "small", {}, draft), {.budget = {.depth = 4}, .max_tokens = 200});
  EXPECT_EQ(all.generated, plain.generated);
  EXPECT_GT(all.steps.front().drafted(), 0);
  EXPECT_EQ(all.steps.back().drafted(), 0);
  EXPECT_EQ(all.steps.back().draft.passes, 0);
}

TEST(Session, VocabulariesOfOtherSizesWorkWhenTheIdsAreTheSame) {
  for (const int vocab : {20, 32, 40}) {
    const ToyModel target({.vocab = 32});
    const auto draft = std::make_shared<ToyModel>(ToyOptions{.vocab = vocab});
    for (const Sampler& sampler : {Sampler{}, Sampler{.temperature = 1}}) {
      const Outcome all = run(target, *drafter_for(target, "small", sampler, draft),
                              {.budget = {.depth = 3}, .max_tokens = 100}, sampler);
      EXPECT_EQ(all.generated.size(), 100U);
      EXPECT_LT(all.steps.size(), 100U);
      if (vocab >= 32) {
        EXPECT_EQ(all.steps.size(), 25U);
      }
    }
  }
}

// A guess that the target never says is always rejected, and then the text is drawn with the numbers of plain decoding.
class Impossible : public Drafter {
 public:
  void observe(const Final&) override {}
  void propose(DraftTree& tree, const Budget& budget, const Rng&) override {
    for (int i = 0, node = 0; i < budget.depth && i < budget.row_limit(); ++i) node = tree.add(node, TokenId{31});
  }
};

class NeverSays31 : public ToyModel {
 public:
  using ToyModel::ToyModel;
  Output forward(const Batch& batch, State& state, const Taps& taps) const override {
    const Output out = ToyModel::forward(batch, state, taps);
    auto& logits = static_cast<ToyState<TokenId>&>(state).logits;
    for (std::size_t i = 31; i < logits.size(); i += 32) logits[i] = -INFINITY;
    return out;
  }
};

TEST(Session, DrawsDependOnThePositionAndNotOnTheDraft) {
  const NeverSays31 target({.vocab = 32});
  const Sampler sampler{.temperature = 1};
  const Outcome plain = run(target, *drafter_for(target, "none"), {.max_tokens = 60}, sampler);
  for (int depth = 1; depth <= 5; ++depth) {
    Impossible drafter;
    const Outcome all = run(target, drafter, {.budget = {.depth = depth}, .max_tokens = 60}, sampler);
    EXPECT_EQ(all.generated, plain.generated) << depth;
  }
  EXPECT_NE(run(target, *drafter_for(target, "none"), {.max_tokens = 60}, sampler, 2).generated, plain.generated);
}

TEST(Session, TheSameSeedGivesTheSameSteps) {
  const ToyModel target({.vocab = 32, .mtp_noise = 0.5});
  const Sampler sampler{.temperature = 1};
  const SessionOptions options{.budget = {.depth = 3, .width = 2}, .max_tokens = 80};
  const Outcome a = run(target, *drafter_for(target, "mtp", sampler), options, sampler, 9);
  const Outcome b = run(target, *drafter_for(target, "mtp", sampler), options, sampler, 9);
  EXPECT_EQ(a.generated, b.generated);
  ASSERT_EQ(a.steps.size(), b.steps.size());
  for (std::size_t i = 0; i < a.steps.size(); ++i) EXPECT_EQ(a.steps[i].path, b.steps[i].path);
}

TEST(Session, ThePolicyIsAskedAndTold) {
  struct Counting : Policy {
    bool extend(const DraftTree& tree, int, const Budget&) override { return tree.guesses() < 1; }
    void observe(const StepFacts& facts) override {
      guesses += facts.tree.guesses();
      accepted += facts.verdict.accepted();
    }
    int guesses = 0, accepted = 0;
  } policy;
  const auto target = std::make_shared<ToyModel>(ToyOptions{.vocab = 32});
  const Outcome all = run(*target, *drafter_for(*target, "small", {}, target),
                          {.budget = {.depth = 4, .policy = &policy}, .max_tokens = 20});
  EXPECT_EQ(all.steps.size(), 10U);
  EXPECT_EQ(policy.guesses, 10);
  EXPECT_EQ(policy.accepted, 10);
}

// What a policy learns from, it takes time for: the step is as long as that.
TEST(Session, TheTimeOfAPolicyIsTimeOfTheStep) {
  static constexpr double kThought_s = 0.002;
  struct Slow : Policy {
    bool extend(const DraftTree& tree, int, const Budget&) override { return tree.guesses() < 1; }
    void observe(const StepFacts& facts) override {
      told_s += facts.seconds;
      std::this_thread::sleep_for(std::chrono::duration<double>(kThought_s));
    }
    double told_s = 0;
  } policy;
  const auto target = std::make_shared<ToyModel>(ToyOptions{.vocab = 32});
  const Outcome all = run(*target, *drafter_for(*target, "small", {}, target),
                          {.budget = {.depth = 4, .policy = &policy}, .max_tokens = 20});
  double total_s = 0;
  for (const StepRecord& step : all.steps) {
    EXPECT_GE(step.times.tell_s, kThought_s);
    total_s += step.times.total_s();
  }
  EXPECT_GE(total_s, policy.told_s + kThought_s * static_cast<double>(all.steps.size()));
}

TEST(Session, WrongInputIsRefused) {
  const ToyModel target({.vocab = 8, .context = 16});
  const auto none = drafter_for(target, "none");
  const auto prefill = [&](const std::vector<TokenId>& prompt, const SessionOptions& options) {
    return [&, prompt, options] { Session(target, *none, sampled(), {}, options, Rng(1)).prefill(prompt); };
  };
  expect_error(prefill({}, {}), {"prompt is empty", "bos"});
  expect_error(prefill(std::vector<TokenId>(17), {}), {"17 tokens", "16"});
  expect_error(prefill(ids({1, 8}), {}), {"token 8", "position 1", "0 to 7", "tokenizer"});
  expect_error(prefill(ids({-1}), {}), {"token -1"});
  expect_error(prefill(ids({1}), {.capacity = 17}), {"17", "toy", "16"});
  expect_error(prefill(ids({1}), {.max_tokens = -1}), {"-1 tokens"});
  expect_error(prefill(ids({1}), {.prefill_step = 0}), {"prefill step 0"});
  expect_error([&] { Session(target, *none, sampled(), {.temperature = -1}, {}, Rng(1)); }, {"temperature"});
  prefill(std::vector<TokenId>(16), {})();
}

// Any history of forward and commit leaves the State of the text that was kept.
TEST(State, AnyHistoryOfForwardAndCommitIsTheFinalText) {
  const ToyModel model({.vocab = 16});
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Rng rng(seed);
    const auto state = model.new_state(400);
    std::vector<TokenId> text;
    std::uint64_t draw = 0;
    const auto below = [&](std::size_t n) { return static_cast<int>(rng.bits(draw++) % n); };
    for (int round = 0; round < 20; ++round) {
      Batch all;
      for (int pass = below(3); pass >= 0; --pass) {
        Batch batch;
        for (int row = below(4); row >= 0; --row) {
          const int pending = static_cast<int>(all.tokens.size());
          batch.tokens.push_back(TokenId{below(16)});
          batch.parents.push_back(below(static_cast<std::size_t>(pending) + 1) - 1);
          all.tokens.push_back(batch.tokens.back());
          all.parents.push_back(batch.parents.back());
        }
        model.forward(batch, *state, {});
      }
      std::vector<int> path;
      for (int row = below(all.tokens.size() + 1) - 1; row >= 0; row = all.parents[static_cast<std::size_t>(row)])
        path.insert(path.begin(), row);
      for (const int row : path) text.push_back(all.tokens[static_cast<std::size_t>(row)]);
      state->commit(path);
      EXPECT_EQ(state->pending(), 0);
      EXPECT_EQ(state->length(), static_cast<int>(text.size()));
    }
    text.push_back(TokenId{1});
    const auto fresh = model.new_state(400);
    const Output a = model.forward(chain_of(text), *fresh, {});
    const Output b = model.forward({{TokenId{1}}, {-1}}, *state, {});
    for (int i = 0; i < 16; ++i) EXPECT_EQ(a.logits(a.logits.rows() - 1, i), b.logits(0, i));
  }
}

}  // namespace
}  // namespace specdec

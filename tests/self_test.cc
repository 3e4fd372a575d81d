// The target as its own drafter, and drafters that ask it: self, oracle and wrong, on the real engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/blocks/decoder_state.h"
#include "core/blocks/kv_cache.h"
#include "core/engine.h"
#include "core/files/hf_cache.h"
#include "core/kinds.h"
#include "core/traffic.h"
#include "experiments/trial.h"
#include "tests/error_line.h"
#include "tests/tiny_checkpoint.h"
#include "tests/toy_model.h"

namespace specdec {
namespace {

using Options = std::map<std::string, std::string>;

constexpr int kCapacity = 160;
const std::vector<TokenId> kPrompt = ids({5, 17, 80, 2, 33, 33});

struct Tiny {
  explicit Tiny(const std::string& checkpoint = "glm4_moe", const std::string& compute = "default")
      : engine({.threads = 1, .compute = compute}), model(load_model(TinyCheckpoint(checkpoint).directory(), engine)) {}

  std::unique_ptr<Drafter> drafter(const std::string& kind, const Options& options, const Sampler& sampler = {}) const {
    return make_drafter({kind, "", options}, {.target = *model, .sampler = sampler, .capacity = kCapacity});
  }
  std::vector<StepRecord> steps(const std::string& kind, const Options& options, const Sampler& sampler = {},
                                const Budget& budget = {.depth = 4}) const {
    const auto guesses = drafter(kind, options, sampler);
    const Rule rule = make_rule("sampled");
    Session session(*model, *guesses, rule, sampler, {.budget = budget, .max_tokens = 64, .capacity = kCapacity},
                    Rng(1));
    session.prefill(kPrompt);
    std::vector<StepRecord> all;
    while (!session.done()) all.push_back(session.step());
    return all;
  }

  Engine engine;
  std::unique_ptr<Model> model;
};

double accepted_share(const std::vector<StepRecord>& steps) {
  double drafted = 0, accepted = 0;
  for (const StepRecord& step : steps) {
    drafted += step.drafted();
    accepted += step.accepted();
  }
  return accepted / drafted;
}

TEST(Self, TheWholeTargetIsAlwaysAccepted) {
  const Tiny tiny;
  for (const Sampler& sampler : {Sampler{}, Sampler{.temperature = 1}, Sampler{.temperature = 0.7, .top_p = 0.9}}) {
    EXPECT_EQ(accepted_share(tiny.steps("self", {}, sampler)), 1);
    EXPECT_EQ(accepted_share(tiny.steps("self", {{"experts", "3"}}, sampler)), 1);  // of 3
  }
}

TEST(Self, GuessesAreTheTargetsOwnTokens) {
  const Tiny tiny;
  const auto state = tiny.model->new_state(kCapacity);
  const auto drafter = tiny.drafter("self", {});
  drafter->lend(*state);
  tiny.model->forward(chain_of(kPrompt), *state, {});
  state->commit(whole_chain(static_cast<int>(kPrompt.size())));
  DraftTree tree(TokenId{7}, static_cast<int>(kPrompt.size()));
  drafter->propose(tree, {.depth = 5}, Rng(1));
  ASSERT_EQ(tree.guesses(), 5);
  for (int node = 0; node < 5; ++node) {
    const Output out = tiny.model->forward(chain_of(std::vector{tree[node].token}), *state, {});
    EXPECT_EQ(argmax(row_span(out.logits, 0)), index(tree[node + 1].token));
    state->commit(whole_chain(1));
  }
}

// Keys and values of the positions that are final, byte for byte.
std::vector<float> kept(State& state) {
  auto& decoder = static_cast<DecoderState&>(state);
  std::vector<float> all;
  for (int layer = 0; layer < decoder.layers(); ++layer) {
    auto& kv = static_cast<KvCache&>(*decoder.cache(layer));
    const KvLayout& layout = kv.layout();
    for (int head = 0; head < kv.kv_heads(); ++head) {
      for (int position = 0; position < decoder.length(); ++position) {
        const std::byte* chunk = kv.chunk(head, position);
        const auto* keys = reinterpret_cast<const float*>(chunk) + position % kKvChunk;
        const auto* values =
            reinterpret_cast<const float*>(chunk + layout.values_at()) + position % kKvChunk * layout.padded_dim();
        for (int d = 0; d < layout.key_dim; ++d) {
          all.push_back(keys[d * kKvChunk]);
          all.push_back(values[d]);
        }
      }
    }
  }
  return all;
}

TEST(Self, TheTargetsStateIsLeftAsItWas) {
  const Tiny tiny("glm4_moe", "f32");
  const std::vector<std::pair<std::string, Options>> drafters{
      {"self", {}}, {"self", {{"experts", "1"}}}, {"self", {{"skip", "1"}}}, {"oracle", {}}, {"wrong", {}}};
  for (const auto& [kind, options] : drafters) {
    const auto state = tiny.model->new_state(kCapacity);
    const auto drafter = tiny.drafter(kind, options);
    drafter->lend(*state);
    tiny.model->forward(chain_of(kPrompt), *state, {});
    state->commit(whole_chain(static_cast<int>(kPrompt.size())));
    const auto untouched = kept(*state);
    const auto next = [&] {
      const Output out = tiny.model->forward(chain_of(std::vector{TokenId{7}, TokenId{9}}), *state, {});
      const std::vector<float> logits(out.logits.data(), out.logits.data() + out.logits.size());
      state->commit({});
      return logits;
    };
    const auto expected = next();
    DraftTree tree(TokenId{7}, static_cast<int>(kPrompt.size()));
    drafter->propose(tree, {.depth = 4, .width = 3, .rows = 30}, Rng(1));
    EXPECT_GT(tree.guesses(), 4);
    EXPECT_EQ(state->length(), static_cast<int>(kPrompt.size()));
    EXPECT_EQ(state->pending(), 0);
    const auto after = kept(*state);
    EXPECT_EQ(std::memcmp(after.data(), untouched.data(), untouched.size() * sizeof(float)), 0) << kind;
    EXPECT_EQ(next(), expected) << kind;
  }
}

TEST(Self, FillsWhatRoomThereIs) {
  const Tiny tiny;
  const auto state = tiny.model->new_state(8);
  const auto drafter = tiny.drafter("self", {{"experts", "1"}});
  drafter->lend(*state);
  tiny.model->forward(chain_of(kPrompt), *state, {});
  state->commit(whole_chain(6));
  DraftTree tree(TokenId{7}, 6);
  drafter->propose(tree, {.depth = 8}, Rng(1));
  EXPECT_EQ(tree.guesses(), 2);  // the anchor and the first guess fit
}

TEST(Self, FewerExpertsAndLayersAreLessOftenRight) {
  EXPECT_LT(accepted_share(Tiny("qwen3_moe").steps("self", {{"experts", "0"}})), 1);  // which has no shared ones
  const Tiny tiny;
  for (const Options& options : {Options{{"experts", "1"}}, Options{{"experts", "0"}}, Options{{"skip", "1"}},
                                 Options{{"layers", "2"}}, Options{{"experts", "1"}, {"skip", "0+2"}}}) {
    const double share = accepted_share(tiny.steps("self", options));
    EXPECT_LT(share, 1) << options.begin()->first;
  }
  EXPECT_EQ(tiny.drafter("self", {{"layers", "2"}})->step_bytes(), tiny.drafter("self", {{"skip", "2"}})->step_bytes());
  EXPECT_EQ(tiny.drafter("self", {{"layers", "1"}})->step_bytes(),
            tiny.drafter("self", {{"skip", "1..2"}})->step_bytes());
}

TEST(Self, CountsTheBytesThatItsPassesRead) {
  const Tiny tiny;
  const WeightBytes& whole = tiny.model->bytes();
  const std::int64_t experts = std::accumulate(whole.expert.begin(), whole.expert.end(), std::int64_t{0});
  const auto step_bytes = [&](const Options& options) { return tiny.drafter("self", options)->step_bytes(); };
  EXPECT_EQ(step_bytes({}), whole.fixed + whole.embedding_row + 3 * experts);
  EXPECT_EQ(step_bytes({{"experts", "1"}}), whole.fixed + whole.embedding_row + experts);
  EXPECT_LT(step_bytes({{"experts", "0"}}), whole.fixed + whole.embedding_row);  // nor are routers read
  // What single layers read adds up to all but the head, its norm and the embedding.
  std::int64_t of_layers = 0;
  for (int layer = 0; layer < tiny.model->info().layers; ++layer) {
    of_layers += step_bytes({}) - step_bytes({{"skip", std::to_string(layer)}});
  }
  const std::int64_t norm = step_bytes({}) - of_layers - whole.head - whole.embedding_row;
  EXPECT_EQ(norm, 4 * tiny.model->info().hidden);

  for (const Options& options : {Options{}, Options{{"experts", "1"}}, Options{{"skip", "0+2"}}}) {
    for (const StepRecord& step : tiny.steps("self", options)) {
      EXPECT_EQ(step.draft.passes, step.drafted());
      EXPECT_EQ(step.draft.rows, step.drafted());
      EXPECT_EQ(step.draft.bytes, step.draft.passes * step_bytes(options));
    }
  }
  EXPECT_EQ(tiny.drafter("self", {})->weight_bytes(), 0);
}

TEST(Self, WithOneExpertTheShippedModelSaysTheSame) {
  const std::vector<LocalModel> shipped = shipped_models();
  if (std::ranges::find(shipped, "demo-moe", &LocalModel::id) == shipped.end()) {
    GTEST_SKIP() << "models/demo-moe is not here";
  }
  Engine engine({.threads = 1});
  const LoadedTarget target = load_target("demo-moe", engine);
  const std::vector<TokenId> prompt = encode_prompt(target, "def fibonacci(n):\n");
  const auto text = [&](const LoadedDrafter& drafter) {
    return run_trial(target, drafter, prompt, {.max_tokens = 64}, engine).generated;
  };
  const std::vector<TokenId> plain = text(no_drafter());
  ASSERT_EQ(plain.size(), 64U);
  for (const char* draft : {"self,experts=1", "self:experts=1,k=5", "self,experts=1,width=2,k=3", "self,skip=3..8",
                            "self,layers=6", "self,experts=0,k=2", "self", "oracle", "oracle,right=0.5", "wrong"}) {
    EXPECT_EQ(text(load_drafter(draft, {}, target, engine)), plain) << draft;
  }
}

TEST(Self, BothSpellingsAreTheSame) {
  const DrafterSpec colon = parse_drafter_spec("self:experts=1,skip=3..5+8");
  EXPECT_EQ(colon.kind, "self");
  EXPECT_EQ(colon.path, "");
  EXPECT_EQ(colon.options, parse_drafter_spec("self,experts=1,skip=3..5+8").options);
  EXPECT_EQ(parse_drafter_spec("small:a=b,k=2").path, "a=b");
}

TEST(Self, RefusesWhatTheTargetDoesNotHave) {
  const Tiny moe;
  const Tiny dense("qwen3");
  const auto refused = [](const Tiny& tiny, const Options& options, std::initializer_list<std::string_view> words) {
    expect_error([&] { tiny.drafter("self", options); }, words);
  };
  refused(moe, {{"experts", "4"}}, {"drafter self", "experts=4", "0 to 3"});
  refused(dense, {{"experts", "1"}}, {"drafter self", "experts=1", "no routed experts", "skip="});
  refused(moe, {{"skip", "3"}}, {"drafter self", "skip=3", "0 to 2"});
  refused(moe, {{"skip", "2..1"}}, {"skip=2..1", "0 to 2"});
  refused(moe, {{"skip", "1+x"}}, {"skip=1+x", "'x'"});
  refused(moe, {{"skip", "0..2"}}, {"none of the 3 layers"});
  refused(moe, {{"layers", "0"}}, {"layers=0", "1 to 3"});
  refused(moe, {{"expert", "1"}}, {"'expert'", "experts", "skip", "temperature"});
  struct Whole : ToyModel {
    using ToyModel::ToyModel;
    std::unique_ptr<Model> with(const Shortcut&) const override { return nullptr; }
  };
  const Whole whole(ToyOptions{});
  expect_error(
      [&] {
        make_drafter({"self", "", {{"skip", "1"}}}, {.target = whole});
      },
      {"drafter self", "toy", "cannot leave out"});
}

TEST(Oracle, IsRightAsOftenAsItIsAsked) {
  const Tiny tiny;
  for (const Sampler& sampler : {Sampler{}, Sampler{.temperature = 1}}) {
    EXPECT_EQ(accepted_share(tiny.steps("oracle", {}, sampler)), 1);
  }
  EXPECT_NEAR(accepted_share(tiny.steps("oracle", {{"right", "0.5"}}, {}, {.depth = 1})), 0.5, 0.25);
  EXPECT_EQ(accepted_share(tiny.steps("oracle", {{"right", "0"}})), 0);
  for (const StepRecord& step : tiny.steps("oracle", {})) {
    EXPECT_EQ(step.draft.bytes, 0);
    EXPECT_EQ(step.draft.passes, 0);
  }
}

TEST(Wrong, IsNeverTaken) {
  const Tiny tiny;
  EXPECT_EQ(accepted_share(tiny.steps("wrong", {})), 0);
  EXPECT_EQ(accepted_share(tiny.steps("wrong", {}, {}, {.depth = 3, .width = 3})), 0);
  EXPECT_EQ(accepted_share(tiny.steps("wrong", {}, {.temperature = 0.7, .top_p = 0.9})), 0);
  EXPECT_LT(accepted_share(tiny.steps("wrong", {}, {.temperature = 1})), 0.05);
  for (const StepRecord& step : tiny.steps("wrong", {})) EXPECT_EQ(step.draft.bytes, 0);
}

// Every logit is the same: the lowest token is what a greedy target says, whatever else is as unlikely.
TEST(Wrong, KnowsWhatTiesGoTo) {
  const ToyModel flat({.scale = 0});
  const auto state = flat.new_state(8);
  const auto drafter = make_drafter({"wrong", "", {}}, {.target = flat, .capacity = 8});
  drafter->lend(*state);
  DraftTree tree(TokenId{1}, 0);
  drafter->propose(tree, {.depth = 1, .width = 64}, Rng(1));
  ASSERT_EQ(tree.guesses(), 4);  // all but one of the vocabulary
  for (int node = 1; node <= 4; ++node) EXPECT_NE(tree[node].token, TokenId{0});
}

}  // namespace
}  // namespace specdec

// The laws of lossless_test through every bridge: a draft model of another vocabulary changes nothing but the speed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "draft/bridge.h"
#include "tests/laws/exact_law.h"
#include "tests/text_toy_model.h"
#include "tests/toy_tokenizers.h"

namespace specdec {
namespace {

// A target and a draft model that speak one language in two vocabularies.
struct Bench {
  std::shared_ptr<const Tokenizer> target_tokenizer, draft_tokenizer;
  TextToyModel target;
  std::shared_ptr<const TextToyModel> draft;
  std::shared_ptr<const Bridge> bridge;

  Bench(std::string_view name, std::shared_ptr<const Tokenizer> ours, std::shared_ptr<const Tokenizer> theirs,
        int draft_rows = 0)
      : target_tokenizer(std::move(ours)),
        draft_tokenizer(std::move(theirs)),
        target(*target_tokenizer, {}),
        draft(std::make_shared<TextToyModel>(*draft_tokenizer, TextToyOptions{.rows = draft_rows, .noise = 2})),
        bridge(make_bridge(name, BridgeSides({"target", target.info().vocab, target_tokenizer.get(), {}},
                                             {"draft", draft->info().vocab, draft_tokenizer.get(), {}}))) {}

  std::unique_ptr<Drafter> drafter(const Sampler& sampler) const {
    DrafterContext context{.target = target};
    context.draft = draft;
    context.bridge = bridge;
    context.sampler = sampler;
    context.capacity = kCapacity;
    return make_drafter({"small", "", {}}, std::move(context));
  }
};

// Five tokens for the target, as exact_law wants; a draft of the same strings, and one that has only the letters of
// them.
Bench letters(std::string_view bridge) {
  using Merges = std::vector<std::pair<std::string, std::string>>;
  const Merges merges{{"a", "b"}, {"c", "a"}};
  std::shared_ptr<const Tokenizer> ours = toy_tokenizer({"a", "b", "c", "ab", "ca"}, merges);
  if (bridge == "identity") return {bridge, ours, ours};
  if (bridge == "padded") return {bridge, ours, ours, 7};
  if (bridge == "permutation") return {bridge, ours, toy_tokenizer({"ca", "c", "ab", "a", "b"}, merges)};
  const Merges others{{"b", "c"}, {"a", "bc"}, {"b", "b"}};
  return {bridge, ours, toy_tokenizer({"b", "abc", "a", "bc", "c", "bb"}, others, "<|end|>")};
}

std::vector<Budget> budgets_of(const BridgeKind& kind) {
  if (!kind.grows_trees) return {{.depth = 3}};
  return {{.depth = 3}, {.depth = 2, .width = 2}};
}

TEST(Bridges, SampledTextKeepsTheExactLaw) {
  for (const BridgeKind& kind : bridge_kinds()) {
    const Bench bench = letters(kind.name);
    for (const Sampler& sampler : {Sampler{.temperature = 1}, Sampler{.temperature = 0.7, .top_p = 0.9}}) {
      for (const Budget& budget : budgets_of(kind)) {
        const MakeDrafter make = [&] { return bench.drafter(sampler); };
        EXPECT_LT(deviation_of(bench.target, make, sampled(), sampler, budget), kSuspicious)
            << kind.name << ", width " << budget.width << ", top-p " << sampler.top_p;
      }
    }
  }
}

TEST(Bridges, GuessesAreTakenThroughEveryOne) {
  for (const BridgeKind& kind : bridge_kinds()) {
    const Bench bench = letters(kind.name);
    const auto drafter = bench.drafter({.temperature = 1});
    Session session(bench.target, *drafter, sampled(), {.temperature = 1}, {.budget = {.depth = 3}, .max_tokens = 150},
                    Rng(5));
    session.prefill(kPrompt);
    int drafted = 0, accepted = 0;
    while (!session.done()) {
      const StepRecord step = session.step();
      drafted += step.drafted();
      accepted += step.accepted();
    }
    EXPECT_GT(drafted, 60) << kind.name;
    EXPECT_GT(accepted, drafted / 8) << kind.name;
  }
}

std::shared_ptr<const Tokenizer> published(const std::string& name) {
  return load_tokenizer(std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/tokenizers" / name);
}

// Tokenizers with bytes that are no characters, digits, leading spaces.
TEST(Bridges, GreedyTextIsThatOfNoDrafter) {
  for (const char* ours : {"gpt2", "spm_bpe"}) {
    for (const char* theirs : {"gpt2", "llama3", "spm_unigram"}) {
      for (const char* name : {"tli", "slrs", "slem"}) {
        const Bench bench(name, published(ours), published(theirs));
        const auto none = make_drafter({"none", "", {}}, {.target = bench.target});
        const auto plain = generate(bench.target, *none, sampled(), {}, {}, 60, Rng(1));
        for (const Budget& budget : {Budget{.depth = 1}, Budget{.depth = 4}, Budget{.depth = 2, .width = 2}}) {
          const auto drafter = bench.drafter({});
          EXPECT_EQ(generate(bench.target, *drafter, sampled(), {}, budget, 60, Rng(1)), plain)
              << theirs << " for " << ours << " through " << name << ", depth " << budget.depth;
        }
      }
    }
  }
}

// A bridge around another, to plant a mistake.
class Wrong : public Bridge {
 public:
  explicit Wrong(std::shared_ptr<const Bridge> inner) : Bridge("wrong"), inner_(std::move(inner)) {}
  std::optional<DraftId> id(TokenId token) const override { return inner_->id(token); }
  const BridgeTexts* texts() const override { return inner_->texts(); }
  bool draws() const override { return inner_->draws(); }
  void guess(DraftTree& tree, const Budget& budget, const Rng& rng, const BridgeView& view) const override {
    DraftTree right(tree[0].token, tree.position(0));
    inner_->guess(right, budget, rng, view);
    for (int node = 1; node < right.size(); ++node) add(tree, right[node]);
  }

 protected:
  virtual void add(DraftTree& tree, const Node& right) const = 0;

 private:
  std::shared_ptr<const Bridge> inner_;
};

// Calls the guess by another id than its law.
class WrongId : public Wrong {
  using Wrong::Wrong;
  void add(DraftTree& tree, const Node& right) const override {
    TokenId token{(index(right.token) + 1) % 3};  // "a", "b" and "c" are shared
    if ((*right.q)[token] == 0) token = right.token;
    tree.add(right.parent, token, right.q);
  }
};

// Leaves the mass of strings that are not shared on one of them.
class NotRenormalised : public Wrong {
  using Wrong::Wrong;
  void add(DraftTree& tree, const Node& right) const override {
    std::vector<float> weights;
    for (int id = 0; id < kVocab; ++id) weights.push_back(0.6F * static_cast<float>((*right.q)[TokenId{id}]));
    weights[3] += 0.4F;
    tree.add(right.parent, right.token, Distribution(weights));
  }
};

template <typename Planted>
double deviation_with() {
  Bench bench = letters("tli");
  bench.bridge = std::make_shared<Planted>(bench.bridge);
  const Sampler sampler{.temperature = 1};
  return deviation_of(bench.target, [&] { return bench.drafter(sampler); }, sampled(), sampler, {.depth = 3});
}

TEST(Bridges, AWrongIdBreaksTheLaw) { EXPECT_GT(deviation_with<WrongId>(), 2 * kSuspicious); }
TEST(Bridges, NoRenormalisingBreaksTheLaw) { EXPECT_GT(deviation_with<NotRenormalised>(), 2 * kSuspicious); }

}  // namespace
}  // namespace specdec

#include "draft/bridge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/kinds.h"
#include "draft/draft_text.h"
#include "draft/drafter.h"
#include "tests/error_line.h"
#include "tests/text_toy_model.h"
#include "tests/toy_tokenizers.h"
#include "verify/session.h"

namespace specdec {
namespace {

std::unique_ptr<Tokenizer> published(const std::string& name) {
  return load_tokenizer(std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/tokenizers" / name);
}

// More rows than ids, or fewer.
BridgeSides sides_of(const Tokenizer& target, const Tokenizer& draft, int target_padding = 0, int draft_padding = 0) {
  return {{"target", target.size() + target_padding, &target, {}}, {"draft", draft.size() + draft_padding, &draft, {}}};
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.piece(id);
  return text;
}

TEST(Continuation, CutsAsTheTokenizerCutsTheWholeText) {
  for (const char* name : {"gpt2", "llama3", "spm_bpe", "spm_unigram"}) {
    const auto tokenizer = published(name);
    const Continuation continuation(*tokenizer, tokenizer->size());
    const auto ids = continuation.after("The quick brown", " fox jumps");
    ASSERT_TRUE(ids) << name;
    const auto whole = tokenizer->encode("The quick brown fox jumps");
    EXPECT_TRUE(std::equal(ids->rbegin(), ids->rend(), whole.rbegin())) << name;
    EXPECT_EQ(text_of(*tokenizer, *ids), " fox jumps") << name;
  }
}

TEST(Continuation, InTheMiddleOfAWordItHasTheSameBytesAndNoLeadingSpace) {
  for (const char* name : {"gpt2", "llama3", "spm_bpe", "spm_unigram"}) {
    const auto tokenizer = published(name);
    const Continuation continuation(*tokenizer, tokenizer->size());
    const std::string text = "na\u00EFve caf\u00E9 \u4ECA\u5929 x = 10;\n\treturn \U0001F600";
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const auto ids = continuation.after(text.substr(0, cut), text.substr(cut));
      ASSERT_TRUE(ids) << name << " at " << cut;
      EXPECT_EQ(text_of(*tokenizer, *ids), text.substr(cut)) << name;
    }
  }
}

TEST(Continuation, WhatNoPieceSpellsIsNotCut) {
  const auto letters = toy_tokenizer({"a", "b", "ab"}, {{"a", "b"}});
  const Continuation continuation(*letters, 3);
  EXPECT_EQ(continuation.after("a", "bab"), (std::vector{TokenId{1}, TokenId{2}}));
  EXPECT_EQ(continuation.after("", "abx"), std::nullopt);
}

// The ids of a DraftText, all that it gave so far.
class Told {
 public:
  explicit Told(const Bridge& bridge) : text(bridge) {}
  std::vector<TokenId> ids() {
    for (const DraftId id : text.take_settled()) settled.push_back(TokenId{index(id)});
    std::vector<TokenId> all = settled;
    for (const DraftId id : text.loose()) all.push_back(TokenId{index(id)});
    return all;
  }
  DraftText text;
  std::vector<TokenId> settled;
};

TEST(DraftText, ItsIdsAreTheTextWhateverTheTokensAre) {
  for (const char* ours : {"gpt2", "llama3", "spm_bpe"}) {
    for (const char* theirs : {"gpt2", "deepseek", "spm_bpe", "spm_unigram"}) {
      const auto target = published(ours), draft = published(theirs);
      for (const char* name : {"tli", "slem"}) {
        const auto bridge = make_bridge(name, sides_of(*target, *draft));
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
          Told told(*bridge);
          std::vector<TokenId> tokens;
          for (std::uint64_t i = 0; i < 60; ++i) {
            const auto size = static_cast<std::uint64_t>(target->size());
            const TokenId token{static_cast<std::int32_t>(Rng(seed).bits(i) % size)};
            const Piece& piece = target->vocabulary()[token];
            if (piece.added || (piece.kind != PieceKind::text && piece.kind != PieceKind::byte)) continue;
            tokens.push_back(token);
            told.text.add(token);
            if (i == 20) told.text.prompt_ends();
            if (i < 20) continue;
            ASSERT_TRUE(told.text.in_step());  // every byte has a piece
            std::string said = text_of(*draft, told.ids());
            const std::string text = target->decode(tokens);
            if (said.size() > text.size() && said.starts_with(' ')) said.erase(0, 1);  // of the draft's tokenizer
            ASSERT_EQ(said, text) << theirs << " for " << ours << " through " << name << ", seed " << seed;
          }
        }
      }
    }
  }
}

TEST(DraftText, SharedTokensKeepTheirIdsAndOthersAreCutWithTheirWord) {
  const auto target = toy_tokenizer({"a", "b", "c", "\u0120", "bc", "\u0120a"}, {{"b", "c"}, {"\u0120", "a"}});
  const auto draft = toy_tokenizer({"c", "b", "a", "\u0120", "ab", "abc"}, {{"a", "b"}, {"ab", "c"}});
  const auto bridge = make_bridge("tli", sides_of(*target, *draft));
  Told told(*bridge);
  told.text.prompt_ends();
  for (const int id : {0, 1, 2}) told.text.add(TokenId{id});
  EXPECT_EQ(told.ids(), (std::vector{TokenId{2}, TokenId{1}, TokenId{0}}));  // a b c
  EXPECT_EQ(told.text.retokenised(), 0);
  told.text.add(TokenId{5});  // " a", which the draft lacks
  EXPECT_EQ(told.text.retokenised(), 1);
  EXPECT_EQ(told.ids(), (std::vector{TokenId{5}, TokenId{3}, TokenId{2}}));  // abc, space, a
  told.text.add(TokenId{4});                                                 // "bc"
  EXPECT_EQ(told.text.retokenised(), 2);
  EXPECT_EQ(told.ids(), (std::vector{TokenId{5}, TokenId{3}, TokenId{5}}));  // abc, space, abc
}

TEST(DraftText, BytesWaitForTheirCharacterIfTheDraftHasNoPieceForThem) {
  const auto target = published("gpt2");
  const auto draft = load_tokenizer(TokenizerFile{"tokenizer.json", R"({"model": {"type": "BPE", "merges": [], "vocab":
    {"a": 0, "\u00e9": 1, "\u00c3": 2, "\u00a9": 3, "b": 4}}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}})",
                                                  "", ""});
  const auto bridge = make_bridge("slem", sides_of(*target, *draft));
  Told told(*bridge);
  told.text.prompt_ends();
  const auto bytes = target->encode("\u4ECA");
  ASSERT_GT(bytes.size(), 1u);
  told.text.add(bytes[0]);
  EXPECT_FALSE(told.text.in_step());
  for (std::size_t i = 1; i < bytes.size(); ++i) told.text.add(bytes[i]);
  EXPECT_TRUE(told.text.in_step());  // the character is not the draft's, and is left to its tokenizer
  told.text.add(target->encode("a").front());
  EXPECT_EQ(told.ids().back(), TokenId{0});
}

TEST(DraftText, AnEndOfTextIsReadByItsRole) {
  const auto target = toy_tokenizer({"a", "b"}, {}, "<|end|>");
  const auto draft = toy_tokenizer({"b", "a"}, {}, "</s>");
  for (const char* name : {"permutation", "tli", "slem"}) {
    const auto bridge = make_bridge(name, sides_of(*target, *draft));
    Told told(*bridge);
    told.text.prompt_ends();
    for (const int id : {0, 2, 1}) told.text.add(TokenId{id});
    EXPECT_EQ(told.ids(), (std::vector{TokenId{1}, TokenId{2}, TokenId{0}})) << name;
  }
}

// The draft's tokenizer has "ab" and an end of text, its model no rows for them.
TEST(DraftText, IdsBeyondTheRowsOfTheDraftAreNotRead) {
  const auto target = toy_tokenizer({"a", "b", "ab"}, {{"a", "b"}}, "<|end|>");
  const auto draft = toy_tokenizer({"b", "a", "c", "ab"}, {{"a", "b"}}, "</s>");
  for (const char* name : {"tli", "slem"}) {
    const auto bridge = make_bridge(name, sides_of(*target, *draft, 0, -2));
    Told told(*bridge);
    told.text.prompt_ends();
    for (const int id : {2, 0}) told.text.add(TokenId{id});
    EXPECT_EQ(told.ids(), (std::vector{TokenId{1}, TokenId{0}, TokenId{1}})) << name;  // a b a
    for (const int id : {3, 0}) told.text.add(TokenId{id});
    for (const TokenId id : told.ids()) EXPECT_LT(index(id), 3) << name;
    EXPECT_EQ(told.ids().back(), TokenId{1}) << name;
  }
  const Continuation continuation(*draft, 3);
  EXPECT_EQ(continuation.after("b", "ab"), (std::vector{TokenId{1}, TokenId{0}}));
  EXPECT_EQ(continuation.bytes(TokenId{3}), std::nullopt);
}

TEST(DraftText, WhatHasNoIdAndIsNotTextEndsTheDraftOrIsPassedOver) {
  const auto letters = toy_tokenizer({"a", "b"}, {});
  const auto ending = toy_tokenizer({"a", "b"}, {}, "</s>");
  const TokenId padding{4};
  const auto ends = make_bridge("padded", sides_of(*letters, *ending, 3));  // only the tokenizer names an end
  EXPECT_EQ(ends->id(padding), DraftId{2});
  const auto none = make_bridge("padded", sides_of(*letters, *letters, 3));
  EXPECT_EQ(none->id(padding), std::nullopt);
  Told told(*none);
  told.text.add(padding);
  EXPECT_FALSE(told.text.in_step());
  told.text.add(TokenId{1});
  EXPECT_TRUE(told.text.in_step());
  EXPECT_EQ(told.ids(), (std::vector{TokenId{1}}));
}

// After any history the draft model has seen the text and nothing else, at every first look of a step.
TEST(Small, TheDraftModelSeesTheTextAfterAnyHistory) {
  const auto target_tokenizer = published("gpt2");
  for (const char* theirs : {"llama3", "spm_unigram"}) {
    const auto draft_tokenizer = published(theirs);
    const TextToyModel target(*target_tokenizer, {});
    const auto draft = std::make_shared<TextToyModel>(*draft_tokenizer, TextToyOptions{.noise = 0.5});
    for (const char* name : {"tli", "slem"}) {
      DrafterContext context{.target = target, .draft = draft};
      context.bridge = make_bridge(name, sides_of(*target_tokenizer, *draft_tokenizer));
      context.capacity = 400;
      const auto drafter = make_drafter({"small", "", {}}, context);
      const Sampler sampler{.temperature = 0.3};
      const Rule rule = make_rule("sampled");
      Session session(target, *drafter, rule, sampler, {.budget = {.depth = 1}, .max_tokens = 120, .capacity = 400},
                      Rng(4));
      session.prefill(target_tokenizer->encode("The first word"));
      int accepted = 0;
      while (!session.done()) {
        const std::string text = target_tokenizer->decode(session.text());
        const StepRecord step = session.step();
        accepted += step.accepted();
        if (step.draft.passes == 0) continue;
        std::string seen = draft->text_of(draft->seen);
        if (seen.starts_with(' ') && !text.starts_with(' ')) seen.erase(0, 1);  // the draft's tokenizer put it there
        // Through slem the last look may be at words of the draft's own after the text.
        const std::string expected =
            std::string_view(name) == "tli" ? text : text + seen.substr(std::min(seen.size(), text.size()));
        EXPECT_EQ(seen, expected) << theirs << " through " << name;
      }
      EXPECT_GT(accepted, 3) << theirs << " through " << name;
    }
  }
}

TEST(MakeBridge, AutoTakesTheBestThatTheVocabulariesAllow) {
  const auto gpt2 = published("gpt2"), llama3 = published("llama3"), unigram = published("spm_unigram");
  const auto chosen = [&](const Tokenizer& target, const Tokenizer& draft, int padding = 0) {
    return std::string(make_bridge("auto", sides_of(target, draft, padding))->name());
  };
  EXPECT_EQ(chosen(*gpt2, *gpt2), "identity");
  EXPECT_EQ(chosen(*gpt2, *gpt2, 5), "padded");
  EXPECT_EQ(chosen(*toy_tokenizer({"a", "b"}, {}), *toy_tokenizer({"b", "a"}, {})), "permutation");
  EXPECT_EQ(chosen(*gpt2, *unigram), "tli");
  const BridgeSides unknown({"target", 4, nullptr, {}}, {"draft", 4, nullptr, {}});
  EXPECT_EQ(make_bridge("auto", unknown)->name(), "identity");
  const BridgeSides more_rows({"target", 4, nullptr, {}}, {"draft", 5, nullptr, {}});
  EXPECT_EQ(make_bridge("auto", more_rows)->name(), "padded");
  const auto few = toy_tokenizer({"x", "y"}, {});
  expect_error([&] { make_bridge("auto", sides_of(*gpt2, *few)); }, {"draft", "target", "specdec vocab"});
}

TEST(MakeBridge, AutoNeverFailsWhereRowsAreMissing) {
  const auto letters = toy_tokenizer({"a", "b", "c"}, {});
  const auto moved = toy_tokenizer({"c", "a", "b"}, {});
  const auto bytes = published("spm_bpe"), others = published("spm_unigram");
  const auto chosen = [](const BridgeSides& sides) { return std::string(make_bridge("auto", sides)->name()); };
  EXPECT_EQ(chosen(sides_of(*letters, *moved, 0, -1)), "tli");   // the draft has lost "b"
  EXPECT_EQ(chosen(sides_of(*letters, *moved, -1)), "tli");      // the target "c"
  EXPECT_EQ(chosen(sides_of(*letters, *moved, 0, -3)), "slem");  // all
  EXPECT_EQ(chosen(sides_of(*letters, *letters, 0, -1)), "padded");
  for (const int rows : {3, 100, 259, 300}) {  // control pieces; with bytes; with text
    const BridgeSides same({"target", bytes->size(), bytes.get(), {}}, {"draft", rows, bytes.get(), {}});
    const BridgeSides other({"target", bytes->size(), bytes.get(), {}}, {"draft", rows, others.get(), {}});
    EXPECT_NO_THROW(chosen(same)) << rows;
    EXPECT_NO_THROW(chosen(other)) << rows;
  }
}

TEST(MakeBridge, SaysWhyItCannot) {
  const auto letters = toy_tokenizer({"a", "b"}, {});
  const auto others = toy_tokenizer({"b", "a"}, {});
  const auto none = toy_tokenizer({"x", "y"}, {});
  const BridgeSides moved = sides_of(*letters, *others);
  expect_error([&] { make_bridge("padded", moved); }, {"padded", "draft", "target", "2 ids", "bridge=auto"});
  expect_error([&] { make_bridge("identity", moved); }, {"2 ids"});
  expect_error([&] { make_bridge("identity", sides_of(*letters, *letters, 3)); }, {"5 rows", "2"});
  expect_error([&] { make_bridge("tli", sides_of(*letters, *none)); }, {"no text piece in common"});
  expect_error([&] { make_bridge("permutation", sides_of(*letters, *none)); }, {"2 text pieces"});
  expect_error([&] { make_bridge("slam", moved); }, {"'slam'", "slem", "tli"});
  const BridgeSides unknown({"target", 4, nullptr, {}}, {"draft", 4, nullptr, {}});
  expect_error([&] { make_bridge("slem", unknown); }, {"no tokenizer"});
}

}  // namespace
}  // namespace specdec

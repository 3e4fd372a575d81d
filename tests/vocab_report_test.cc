#include "tokenizers/vocab_report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "tokenizers/vocab_map.h"

namespace specdec {
namespace {

using nlohmann::json;

const std::filesystem::path kData = std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/tokenizers";

// The gpt2 tokenizer with some things changed.
std::unique_ptr<Tokenizer> changed(const std::function<void(json&)>& change) {
  json file = json::parse(std::ifstream(kData / "gpt2/tokenizer.json"));
  change(file);
  return load_tokenizer(TokenizerFile{"tokenizer.json", file.dump(), R"({"eos_token": "<|endoftext|>"})", ""});
}

std::unique_ptr<Tokenizer> gpt2() {
  return changed([](json&) {});
}

void swap_ids(json& file, const std::string& a, const std::string& b) {
  std::swap(file["model"]["vocab"][a], file["model"]["vocab"][b]);
}

int total(const Tokenizer& tokenizer) {
  int pieces = 0;
  for (int id = 0; id < tokenizer.size(); ++id) pieces += tokenizer.vocabulary().holds(TokenId{id});
  return pieces;
}

// Counts that must hold for any pair.
void expect_consistent(const VocabReport& report, const Tokenizer& target, const Tokenizer& draft) {
  const VocabMap map(target, draft);
  EXPECT_EQ(report.same + report.moved + report.by_role, map.mapped());
  EXPECT_EQ(map.mapped() + report.draft_only, total(draft));
  EXPECT_EQ(map.mapped() + report.target_only, total(target));
  EXPECT_EQ(report.same + report.other_meaning + report.beyond_target, total(draft));
  for (int id = 0; id < draft.size(); ++id) {
    if (const auto token = map.to_target(DraftId{id})) {
      EXPECT_EQ(map.to_draft(*token), DraftId{id});
    }
  }
}

TEST(VocabReport, TheSameTokenizerIsUsableAsIs) {
  const auto tokenizer = gpt2();
  const VocabReport report = compare({"a", *tokenizer, 768}, {"b", *tokenizer, std::nullopt});
  EXPECT_EQ(report.verdict, VocabVerdict::same_ids);
  EXPECT_EQ(exit_code_of(report.verdict), 0);
  EXPECT_EQ(report.same, tokenizer->size());
  EXPECT_EQ(report.moved + report.other_meaning + report.draft_only + report.target_only, 0);
  EXPECT_EQ(report.target.base, tokenizer->size() - 3);
  EXPECT_EQ(report.target.special, 3);
  EXPECT_EQ(report.target.roles.at(0).role, "eos");
  EXPECT_NE(to_text(report).find("65 rows are padding"), std::string::npos) << to_text(report);
  const VocabMap map(*tokenizer, *tokenizer);
  EXPECT_TRUE(map.keeps_ids());
  EXPECT_EQ(map.to_target(DraftId{100}), TokenId{100});
  EXPECT_EQ(map.to_target(DraftId{100000}), std::nullopt);
  EXPECT_EQ(map.to_draft(TokenId{-1}), std::nullopt);
}

TEST(VocabReport, MoreIdsAtTheEndOfEitherSideAreAllowedAndSaid) {
  const auto less = gpt2();
  const auto more = changed([](json& file) {
    file["added_tokens"].push_back({{"id", 710}, {"content", "<|tool|>"}, {"special", true}});
  });
  const VocabReport draft_has_more = compare({"target", *less, {}}, {"draft", *more, {}});
  EXPECT_EQ(draft_has_more.verdict, VocabVerdict::same_ids);
  EXPECT_EQ(draft_has_more.beyond_target, 1);
  EXPECT_EQ(draft_has_more.draft.holes, 710 - less->size());
  EXPECT_NE(draft_has_more.reasons.at(1).find("never proposed"), std::string::npos);
  const VocabReport target_has_more = compare({"target", *more, {}}, {"draft", *less, {}});
  EXPECT_EQ(target_has_more.verdict, VocabVerdict::same_ids);
  EXPECT_EQ(target_has_more.target_only, 1);
  expect_consistent(draft_has_more, *less, *more);
  expect_consistent(target_has_more, *more, *less);
}

TEST(VocabReport, EqualSizeWithOtherContentIsNotAsIs) {
  const auto target = gpt2();
  const auto draft = changed([](json& file) { swap_ids(file, "a", "b"); });
  const VocabReport report = compare({"target", *target, {}}, {"draft", *draft, {}});
  EXPECT_EQ(report.verdict, VocabVerdict::bridge);
  EXPECT_EQ(exit_code_of(report.verdict), 3);
  EXPECT_EQ(report.other_meaning, 2);
  EXPECT_EQ(report.moved, 2);
  ASSERT_EQ(report.first_other_meaning.size(), 2u);
  EXPECT_EQ(report.first_other_meaning[0].target_text, "a");
  EXPECT_EQ(report.first_other_meaning[0].draft_text, "b");
  expect_consistent(report, *target, *draft);
  const VocabMap map(*target, *draft);
  EXPECT_FALSE(map.keeps_ids());
  const TokenId a = target->encode("a").front();
  EXPECT_EQ(index(*map.to_draft(a)), index(draft->encode("a").front()));
}

TEST(VocabReport, SentencePieceAndByteLevelMeetAsBytes) {
  const auto target = gpt2();
  const auto draft = load_tokenizer(kData / "spm_bpe");
  const VocabReport report = compare({"target", *target, {}}, {"draft", *draft, {}});
  EXPECT_EQ(report.verdict, VocabVerdict::bridge);
  expect_consistent(report, *target, *draft);

  const VocabMap map(*target, *draft);
  const auto drafted = [&](std::string_view bytes, PieceKind kind) {
    for (int id = 0; id < draft->size(); ++id)
      if (draft->vocabulary()[TokenId{id}].bytes == bytes && draft->vocabulary()[TokenId{id}].kind == kind)
        return DraftId{id};
    throw Error("no such piece");
  };
  const auto space_the = map.to_target(drafted(" the", PieceKind::text));
  ASSERT_TRUE(space_the);
  EXPECT_EQ(target->piece(*space_the), " the");
  EXPECT_EQ(target->piece(*map.to_target(drafted("\xE4", PieceKind::byte))), "\xE4");
  EXPECT_EQ(target->piece(*map.to_target(drafted("e", PieceKind::text))), "e");
  EXPECT_EQ(map.to_target(drafted("e", PieceKind::byte)), std::nullopt);  // one to one: the real piece has it
  EXPECT_EQ(map.to_target(DraftId{index(*draft->role("unk"))}), std::nullopt);
  EXPECT_EQ(map.by_role(), 1);
  EXPECT_EQ(map.to_target(DraftId{index(*draft->role("eos"))}), target->role("eos"));
}

TEST(VocabReport, ASpecialTokenIsNotTheTextThatSpellsIt) {
  const auto target = changed([](json& file) { file["model"]["vocab"]["<|tool|>"] = 800; });
  const auto draft = changed([](json& file) {
    file["added_tokens"].push_back({{"id", 900}, {"content", "<|tool|>"}, {"special", true}});
  });
  EXPECT_EQ(VocabMap(*target, *draft).to_target(DraftId{900}), std::nullopt);
}

TEST(VocabReport, NothingInCommonIsNotUsable) {
  const auto target = gpt2();
  const auto draft = load_tokenizer(TokenizerFile{"tokenizer.json", R"({"model": {"type": "BPE", "merges": [], "vocab":
    {"A1B2": 0, "C3D4": 1, "E5F6": 2}}, "pre_tokenizer": {"type": "ByteLevel"}})",
                                                  "", ""});
  const VocabReport report = compare({"target", *target, {}}, {"draft", *draft, {}});
  EXPECT_EQ(report.verdict, VocabVerdict::no);
  EXPECT_EQ(exit_code_of(report.verdict), 4);
  EXPECT_EQ(report.draft_only, 3);
  expect_consistent(report, *target, *draft);
}

TEST(VocabReport, TextAndJsonTellTheSame) {
  const auto target = gpt2();
  const auto draft = load_tokenizer(kData / "spm_unigram");
  const VocabReport report = compare({"the target", *target, 1024}, {"the draft", *draft, 650});
  const json told = json::parse(to_json(report));
  EXPECT_EQ(told["verdict"], "bridge");
  EXPECT_EQ(told["exit_code"], 3);
  EXPECT_EQ(told["same_id"], report.same);
  EXPECT_EQ(told["moved"], report.moved);
  EXPECT_EQ(told["target"]["rows"], 1024);
  EXPECT_EQ(told["reasons"].size(), report.reasons.size());
  const std::string text = to_text(report);
  for (const std::string& reason : report.reasons) EXPECT_NE(text.find(reason), std::string::npos) << reason;
  for (const std::string_view words : {"the target", "the draft", "usable through a bridge", "same bytes, another id"})
    EXPECT_NE(text.find(words), std::string::npos) << words;
  EXPECT_NE(text.find(std::to_string(report.moved)), std::string::npos);
}

}  // namespace
}  // namespace specdec

#include "tokenizers/vocab_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tokenizers/utf8.h"

namespace specdec {
namespace {

using Example = VocabReport::Example;
using Side = VocabReport::Side;
using nlohmann::ordered_json;

constexpr std::size_t kExamples = 5;
// A drafter may guess only shared pieces: with less than this share of its own it has lost most of its voice.
constexpr double kLeastShared = 0.1;

std::string text_at(const Tokenizer& tokenizer, int id) { return printable(tokenizer.piece(TokenId{id})); }

Side side_of(const VocabSource& source) {
  const Vocabulary& vocabulary = source.tokenizer.vocabulary();
  Side side;
  side.name = source.name;
  side.size = vocabulary.size();
  side.rows = source.rows;
  for (int id = 0; id < vocabulary.size(); ++id) {
    const Piece& piece = vocabulary[TokenId{id}];
    if (piece.kind == PieceKind::hole)
      ++side.holes;
    else
      ++(piece.added ? side.added : side.base);
    if (piece.kind == PieceKind::special) ++side.special;
  }
  for (const Role& role : source.tokenizer.roles())
    side.roles.push_back({role.name, index(role.token), text_at(source.tokenizer, index(role.token))});
  return side;
}

void note(std::vector<Example>& examples, Example example) {
  if (examples.size() < kExamples) examples.push_back(std::move(example));
}

void count_pieces(VocabReport& report, const Tokenizer& target, const Tokenizer& draft, const VocabMap& map) {
  for (int id = 0; id < draft.size(); ++id) {
    if (!draft.vocabulary().holds(TokenId{id})) continue;
    const auto token = map.to_target(DraftId{id});
    const bool same = token && index(*token) == id;
    if (same) ++report.same;
    if (!target.vocabulary().holds(TokenId{id}))
      ++report.beyond_target;
    else if (!same) {
      ++report.other_meaning;
      note(report.first_other_meaning, {id, id, text_at(draft, id), text_at(target, id)});
    }
    if (token && !same) {
      const std::string target_text = text_at(target, index(*token));
      if (draft.piece(TokenId{id}) == target.piece(*token)) {
        ++report.moved;
        note(report.first_moved, {id, index(*token), text_at(draft, id), target_text});
      }
    }
    if (!token) {
      ++report.draft_only;
      note(report.first_draft_only, {id, std::nullopt, text_at(draft, id), ""});
    }
  }
  for (int id = 0; id < target.size(); ++id) {
    if (!target.vocabulary().holds(TokenId{id}) || map.to_draft(TokenId{id})) continue;
    ++report.target_only;
    note(report.first_target_only, {std::nullopt, id, "", text_at(target, id)});
  }
  report.by_role = map.by_role();
}

double percent(int part, int whole) { return whole > 0 ? 100.0 * part / whole : 0.0; }
int pieces_of(const Side& side) { return side.base + side.added; }

void note_rows(VocabReport& report, const Side& side, std::string_view who) {
  if (side.rows && *side.rows > side.size)
    report.reasons.push_back(fmt::format("the {} model has {} rows for {} ids: {} rows are padding", who, *side.rows,
                                         side.size, *side.rows - side.size));
  if (side.rows && *side.rows < side.size)
    report.reasons.push_back(fmt::format("the {} model has only {} rows for {} ids: ids from {} on cannot be used", who,
                                         *side.rows, side.size, *side.rows));
}

void note_ends(VocabReport& report, const Tokenizer& target, const Tokenizer& draft, const VocabMap& map) {
  const auto ours = target.role("eos");
  const auto theirs = draft.role("eos");
  if (!ours || !theirs) return;
  const auto mapped = map.to_target(DraftId{index(*theirs)});
  if (mapped && *mapped == *ours) return;
  report.reasons.push_back(
      fmt::format("a text ends with '{}' in the target and '{}' in the draft; the target's decides",
                  text_at(target, index(*ours)), text_at(draft, index(*theirs))));
}

void judge(VocabReport& report) {
  const int draft_pieces = pieces_of(report.draft);
  const int shared = report.same + report.moved + report.by_role;
  auto& reasons = report.reasons;
  const bool same_ids = report.other_meaning == 0 && 2 * report.same >= draft_pieces && report.same > 0;
  if (same_ids) {
    report.verdict = VocabVerdict::same_ids;
    reasons.push_back(fmt::format("each of the {} ids that both have means the same bytes", report.same));
    if (report.beyond_target > 0)
      reasons.push_back(fmt::format("{} ids of the draft have no piece in the target; they are never proposed",
                                    report.beyond_target));
    const int unseen = pieces_of(report.target) - report.same;
    if (unseen > 0)
      reasons.push_back(
          fmt::format("{} ids of the target have no piece in the draft; the target alone can say them", unseen));
    return;
  }
  if (report.other_meaning > 0) {
    const Example& first = report.first_other_meaning.front();
    reasons.push_back(
        fmt::format("{} ids mean different bytes; the first is id {}: '{}' in the target, '{}' in the draft",
                    report.other_meaning, *first.target, first.target_text, first.draft_text));
  } else {
    reasons.push_back(
        fmt::format("only {} of the {} ids of the draft have a piece in the target", report.same, draft_pieces));
  }
  const bool enough = shared > 0 && shared >= kLeastShared * draft_pieces;
  report.verdict = enough ? VocabVerdict::bridge : VocabVerdict::no;
  reasons.push_back(fmt::format("{} of the {} pieces of the draft ({:.1f} %) are in the target{}: {}", shared,
                                draft_pieces, percent(shared, draft_pieces), report.same > 0 ? ", under any id" : "",
                                enough ? "it can propose those through a map of ids, and stays lossless"
                                       : fmt::format("less than {:.0f} %, too few to draft with", 100 * kLeastShared)));
}

std::string examples_text(std::string_view title, const std::vector<Example>& examples) {
  if (examples.empty()) return "";
  std::string text = fmt::format("\n{}\n", title);
  for (const Example& example : examples) {
    text += "  ";
    if (example.target) text += fmt::format("target {:>7}  '{}'", *example.target, example.target_text);
    if (example.target && example.draft) text += "   ";
    if (example.draft) text += fmt::format("draft {:>7}  '{}'", *example.draft, example.draft_text);
    text += "\n";
  }
  return text;
}

ordered_json json_of(const Side& side) {
  ordered_json roles = ordered_json::array();
  for (const auto& special : side.roles)
    roles.push_back({{"role", special.role}, {"id", special.id}, {"text", special.text}});
  return {{"name", side.name},
          {"size", side.size},
          {"base_pieces", side.base},
          {"added", side.added},
          {"special", side.special},
          {"holes", side.holes},
          {"rows", side.rows ? ordered_json(*side.rows) : ordered_json()},
          {"roles", roles}};
}

ordered_json json_of(const std::vector<Example>& examples) {
  ordered_json list = ordered_json::array();
  for (const Example& example : examples) {
    ordered_json entry;
    if (example.target) entry["target"] = {{"id", *example.target}, {"text", example.target_text}};
    if (example.draft) entry["draft"] = {{"id", *example.draft}, {"text", example.draft_text}};
    list.push_back(entry);
  }
  return list;
}

}  // namespace

std::string_view name_of(VocabVerdict verdict) {
  switch (verdict) {
    case VocabVerdict::same_ids:
      return "same_ids";
    case VocabVerdict::bridge:
      return "bridge";
    case VocabVerdict::no:
      return "no";
  }
  return "";
}

int exit_code_of(VocabVerdict verdict) {
  return verdict == VocabVerdict::same_ids ? 0 : verdict == VocabVerdict::bridge ? 3 : 4;
}

VocabReport compare(const VocabSource& target, const VocabSource& draft) {
  VocabReport report;
  report.target = side_of(target);
  report.draft = side_of(draft);
  const VocabMap map(target.tokenizer, draft.tokenizer);
  count_pieces(report, target.tokenizer, draft.tokenizer, map);
  judge(report);
  note_ends(report, target.tokenizer, draft.tokenizer, map);
  note_rows(report, report.target, "target");
  note_rows(report, report.draft, "draft");
  return report;
}

std::string to_text(const VocabReport& report) {
  const Side& target = report.target;
  const Side& draft = report.draft;
  std::string text =
      fmt::format("target  {}\ndraft   {}\n\n{:<36}{:>10}{:>10}\n", target.name, draft.name, "", "target", "draft");
  const auto row = [&](std::string_view what, int ours, int theirs) {
    text += fmt::format("{:<36}{:>10}{:>10}\n", what, ours, theirs);
  };
  row("ids", target.size, draft.size);
  row("  base pieces", target.base, draft.base);
  row("  added tokens", target.added, draft.added);
  row("  holes", target.holes, draft.holes);
  row("special tokens", target.special, draft.special);
  if (target.rows && draft.rows) row("rows of the output head", *target.rows, *draft.rows);
  row("pieces that only this one has", report.target_only, report.draft_only);

  const auto both = [&](std::string_view what, int count) {
    text += fmt::format("{:<36}{:>10}{:>9.1f} %\n", what, count, percent(count, pieces_of(draft)));
  };
  text += fmt::format("\n{:<36}{:>10}{:>11}\n", "", "pieces", "of draft");
  both("same id, same bytes", report.same);
  both("same bytes, another id", report.moved);
  both("same id, other bytes", report.other_meaning);
  if (report.by_role > 0) both("same role, another name", report.by_role);

  text += "\nspecial tokens by role\n";
  for (const Side* side : {&target, &draft})
    for (const auto& special : side->roles)
      text += fmt::format("  {:<7}{:<5}{:>8}  '{}'\n", side == &target ? "target" : "draft", special.role, special.id,
                          special.text);
  text += examples_text("first ids that mean different bytes", report.first_other_meaning);
  text += examples_text("first pieces under another id", report.first_moved);
  text += examples_text("first pieces that only the target has", report.first_target_only);
  text += examples_text("first pieces that only the draft has", report.first_draft_only);

  const std::string_view verdict = report.verdict == VocabVerdict::same_ids ? "usable as is"
                                   : report.verdict == VocabVerdict::bridge ? "usable through a bridge"
                                                                            : "not usable";
  text += fmt::format("\nverdict: {}\n", verdict);
  for (const std::string& reason : report.reasons) text += fmt::format("  {}\n", reason);
  return text;
}

std::string to_json(const VocabReport& report) {
  const ordered_json json{{"target", json_of(report.target)},
                          {"draft", json_of(report.draft)},
                          {"same_id", report.same},
                          {"moved", report.moved},
                          {"other_meaning", report.other_meaning},
                          {"by_role", report.by_role},
                          {"draft_only", report.draft_only},
                          {"target_only", report.target_only},
                          {"beyond_target", report.beyond_target},
                          {"first_other_meaning", json_of(report.first_other_meaning)},
                          {"first_moved", json_of(report.first_moved)},
                          {"first_draft_only", json_of(report.first_draft_only)},
                          {"first_target_only", json_of(report.first_target_only)},
                          {"verdict", name_of(report.verdict)},
                          {"exit_code", exit_code_of(report.verdict)},
                          {"reasons", report.reasons}};
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace specdec

#include "tokenizers/vocab_map.h"

#include <string_view>
#include <unordered_map>

namespace specdec {
namespace {

// Special tokens and added ones are markers; a piece of text that is spelled like one is not the same thing.
struct Spelled {
  std::optional<TokenId> text, marker;
};

bool is_marker(const Piece& piece) { return piece.kind == PieceKind::special || piece.added; }

std::unordered_map<std::string_view, Spelled> spellings_of(const Vocabulary& vocabulary) {
  std::unordered_map<std::string_view, Spelled> spellings;
  spellings.reserve(static_cast<std::size_t>(vocabulary.size()));
  for (int id = 0; id < vocabulary.size(); ++id) {
    const Piece& piece = vocabulary[TokenId{id}];
    if (piece.kind == PieceKind::hole || piece.kind == PieceKind::unknown) continue;
    Spelled& spelled = spellings[piece.bytes];
    std::optional<TokenId>& place = is_marker(piece) ? spelled.marker : spelled.text;
    // Of duplicates the first counts, but a byte piece gives way to a real one.
    const bool better = place && vocabulary[*place].kind == PieceKind::byte && piece.kind == PieceKind::text;
    if (!place || better) place = TokenId{id};
  }
  return spellings;
}

std::optional<TokenId> find(const std::unordered_map<std::string_view, Spelled>& spellings, const Piece& piece,
                            const Vocabulary& target) {
  const auto found = spellings.find(piece.bytes);
  if (found == spellings.end()) return std::nullopt;
  const auto& [text, marker] = found->second;
  if (piece.kind == PieceKind::special) return marker;
  if (piece.added) return marker ? marker : text;
  if (text) return text;
  return marker && target[*marker].kind != PieceKind::special ? marker : std::nullopt;
}

}  // namespace

VocabMap::VocabMap(const Tokenizer& target, const Tokenizer& draft)
    : to_target_(static_cast<std::size_t>(draft.size())), to_draft_(static_cast<std::size_t>(target.size())) {
  const Vocabulary& ours = target.vocabulary();
  const Vocabulary& theirs = draft.vocabulary();

  for (int id = 0; id < std::min(ours.size(), theirs.size()); ++id)
    if (ours.holds(TokenId{id}) && theirs.holds(TokenId{id}) && ours[TokenId{id}].bytes == theirs[TokenId{id}].bytes)
      join(DraftId{id}, TokenId{id});

  const auto spellings = spellings_of(ours);
  for (const bool bytes : {false, true}) {
    for (int id = 0; id < theirs.size(); ++id) {
      const Piece& piece = theirs[TokenId{id}];
      if (piece.kind == PieceKind::hole || piece.kind == PieceKind::unknown) continue;
      if ((piece.kind == PieceKind::byte) != bytes) continue;
      if (const auto token = find(spellings, piece, ours)) join(DraftId{id}, *token);
    }
  }
  for (const std::string_view name : {"bos", "eos"}) {
    const auto from = draft.role(name);
    const auto to = target.role(name);
    if (from && to && join(DraftId{index(*from)}, *to)) ++by_role_;
  }
}

std::optional<TokenId> VocabMap::to_target(DraftId token) const {
  const auto id = static_cast<std::size_t>(index(token));
  return id < to_target_.size() ? to_target_[id] : std::nullopt;
}

std::optional<DraftId> VocabMap::to_draft(TokenId token) const {
  const auto id = static_cast<std::size_t>(index(token));
  return id < to_draft_.size() ? to_draft_[id] : std::nullopt;
}

bool VocabMap::join(DraftId draft, TokenId target) {
  auto& to = to_target_[static_cast<std::size_t>(index(draft))];
  auto& from = to_draft_[static_cast<std::size_t>(index(target))];
  if (to || from) return false;
  to = target;
  from = draft;
  ++mapped_;
  keeps_ids_ = keeps_ids_ && index(draft) == index(target);
  return true;
}

}  // namespace specdec

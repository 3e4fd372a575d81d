#include "tokenizers/rank_bpe.h"

#include "core/error.h"
#include "tokenizers/utf8.h"
#include "tokenizers/word_cache.h"

namespace specdec {

std::optional<std::string> RankedPieces::add(std::string_view bytes, std::int64_t rank) {
  const std::int64_t highest = Vocabulary::kMaxSize - 1 - first_id_;
  if (bytes.empty()) return "has no bytes";
  if (bytes.size() > RankTable::kMaxPieceBytes)
    return fmt::format("has {} bytes; at most {} are supported", bytes.size(), RankTable::kMaxPieceBytes);
  if (rank < 0 || rank > highest) return fmt::format("has rank {}; expected 0 to {}", rank, highest);
  const TokenId token{static_cast<std::int32_t>(rank) + first_id_};
  if (vocabulary_.holds(token))
    return fmt::format("has rank {}, which is also that of '{}'", rank, excerpt(vocabulary_[token].bytes));
  if (const auto other = table_.add(bytes, static_cast<int>(rank)))
    return fmt::format("has rank {}, but stands there with rank {} already", rank, *other);
  vocabulary_.set(token, {std::string(bytes), PieceKind::text, false});
  return std::nullopt;
}

RankBpe::RankBpe(const std::string& name, RankedPieces pieces, Rules rules)
    : table_(std::move(pieces.table_)), first_id_(pieces.first_id_), words_(std::move(rules.words)), form_(rules.form) {
  vocabulary_ = std::move(pieces.vocabulary_);
  if (const auto byte = table_.missing_byte())
    throw Error("{}: no piece is the single byte 0x{:02X}; all 256 are needed", name, *byte);
  keeps_ = !form_ && words_.keeps_text();
  added_tokens_ = std::move(rules.added);
  for (const AddedToken& added : added_tokens_) add(added, name);
  roles_ = roles_of(rules.config, vocabulary_);
  TokenizerConfig usual;
  usual.role_texts = std::move(rules.usual_roles);
  for (Role& found : roles_of(usual, vocabulary_))
    if (!role(found.name)) roles_.push_back(std::move(found));
  chat_ = std::move(rules.config.chat);
  if (rules.config.adds_bos && role("bos")) frame_.before.push_back(*role("bos"));
  if (rules.config.adds_eos && role("eos")) frame_.after.push_back(*role("eos"));
}

void RankBpe::add(const AddedToken& added, const std::string& name) {
  if (vocabulary_.holds(added.token) && vocabulary_[added.token].bytes != added.content)
    throw Error("{}: the special token '{}' has id {}, which is also the id of '{}'", name, excerpt(added.content),
                index(added.token), excerpt(vocabulary_[added.token].bytes));
  vocabulary_.set(added.token, {added.content, added.special ? PieceKind::special : PieceKind::text, true});
  keeps_ = keeps_ && !added.lstrip && !added.rstrip;
  added_.add(added, name);
}

template <typename Section, typename Token>
void RankBpe::each_section(std::string_view text, const Section& section, const Token& token) const {
  const std::string normal = form_ ? normalized(text, *form_) : "";
  if (form_) text = normal;
  for (const auto& [span, added] : added_.split(text)) {
    const std::string_view part = text.substr(span.begin, span.end - span.begin);
    if (added)
      token(*added, part);
    else
      section(part);
  }
}

std::vector<TokenId> RankBpe::encode(std::string_view text) const {
  std::vector<TokenId> tokens;
  tokens.reserve(text.size() / 4);
  const auto piece = [&](int rank) { tokens.push_back(TokenId{rank + first_id_}); };
  WordCache cache(text.size());
  each_section(
      text,
      [&](std::string_view section) {
        words_.each_word(
            section, [&](std::string_view word) { cache.append(word, tokens, [&] { table_.encode(word, piece); }); });
      },
      [&](TokenId token, std::string_view) { tokens.push_back(token); });
  return tokens;
}

TokenizerSteps RankBpe::steps() const {
  TokenizerSteps steps{"BPE over bytes, words that are pieces stay whole", {}, words_.steps()};
  if (form_) steps.normalizer.emplace_back(name_of(*form_));
  return steps;
}

std::string RankBpe::normalize(std::string_view text) const {
  return form_ ? normalized(text, *form_) : std::string(text);
}

std::vector<std::string> RankBpe::words(std::string_view text) const {
  std::vector<std::string> words;
  each_section(
      text,
      [&](std::string_view section) {
        words_.each_word(section, [&](std::string_view word) { words.emplace_back(word); });
      },
      [&](TokenId, std::string_view part) { words.emplace_back(part); });
  return words;
}

std::vector<MergePair> RankBpe::merges() const {
  std::vector<MergePair> merges;
  for (int id = first_id_; id < size(); ++id) {
    const Piece& piece = vocabulary_[TokenId{id}];
    if (piece.kind != PieceKind::text || piece.added) continue;
    if (const auto halves = table_.halves(piece.bytes))
      merges.push_back({std::string(halves->first), std::string(halves->second)});
  }
  return merges;
}

}  // namespace specdec

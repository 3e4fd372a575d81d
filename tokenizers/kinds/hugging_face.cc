// tokenizer.json of Hugging Face `tokenizers`: what becomes of a text is said part by part (normalizer, pre_tokenizer,
// model, decoder, post_processor), each read by a file of ../json. Here they are put together.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tokenizers/added_tokens.h"
#include "tokenizers/byte_alphabet.h"
#include "tokenizers/json/parts.h"
#include "tokenizers/json_node.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/tokenizer_config.h"
#include "tokenizers/utf8.h"
#include "tokenizers/word_cache.h"

namespace specdec {
namespace {

using namespace tokenizer_json;

std::unique_ptr<WordModel> read_model(const JsonNode& model, const Spellings& spellings) {
  const std::string_view type = model_type(model);
  if (type == "Unigram") return read_unigram(model, spellings);
  if (type == "WordLevel") return read_word_level(model, spellings);
  if (type == "WordPiece") return read_word_piece(model, spellings);
  return read_bpe(model, spellings);
}

class HuggingFace : public Tokenizer {
 public:
  HuggingFace(const JsonNode& root, const TokenizerFile& file)
      : HuggingFace(root, read_spellings(root.at("model")), file) {}

  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> tokens;
    tokens.reserve(text.size() / 3);
    WordCache cache(text.size());
    const auto encode_part = [&](std::string_view part) {
      cache.append(part, tokens, [&] { model_->encode(part, tokens); });
    };
    const Seams* seams = model_->seams();
    each_section(
        text,
        [&](std::string_view section, bool at_start) {
          each_word(section, at_start, [&](std::string_view word) {
            if (seams != nullptr)
              seams->each_part(word, encode_part);
            else
              encode_part(word);
          });
        },
        [&](TokenId token, std::string_view) { tokens.push_back(token); });
    return tokens;
  }

  bool keeps(std::string_view text) const override {
    if (keeping_ == Keeping::no_text) return false;
    if (keeping_ == Keeping::every_text) return true;
    return text.find(kSpaceMark) == text.npos && (!normalizing_.prepends_mark || !has_added_token(text));
  }

  TokenizerSteps steps() const override {
    return {model_->description(), normalizing_.normalizer.steps(), cutting_.words.steps()};
  }

  std::string normalize(std::string_view text) const override { return normalizing_.normalizer(text); }

  std::vector<std::string> words(std::string_view text) const override {
    std::vector<std::string> words;
    each_section(
        text,
        [&](std::string_view section, bool at_start) {
          cutting_.words.each_word(
              section, [&](std::string_view word) { words.emplace_back(word); }, at_start);
        },
        [&](TokenId, std::string_view section) { words.emplace_back(section); });
    return words;
  }

  std::vector<MergePair> merges() const override {
    std::vector<MergePair> pairs;
    for (const Merge& merge : model_->merges())
      pairs.push_back({vocabulary_[merge.left].bytes, vocabulary_[merge.right].bytes});
    return pairs;
  }

 private:
  // For which texts decode(encode(text)) is the text.
  enum class Keeping { no_text, texts_without_marks, every_text };

  HuggingFace(const JsonNode& root, const Spellings& spellings, const TokenizerFile& file)
      : normalizing_(read_normalizer(root)), cutting_(read_pre_tokenizer(root)) {
    const JsonNode model = root.at("model");
    if (cutting_.to_characters && model_type(model) == "BPE") model_ = read_bpe_over_bytes(model, spellings);
    over_bytes_ = model_ != nullptr;
    if (!over_bytes_) model_ = read_model(model, spellings);
    Decoding decoding = read_decoder(root);
    // Files without a decoder still mean bytes by the characters that stand for them.
    if (!root.find("decoder")) decoding.from_characters = cutting_.to_characters || normalizing_.to_characters;
    leading_space_ = decoding.leading_space;
    keeping_ = keeping_of(decoding);
    for (std::size_t id = 0; id < spellings.by_id.size(); ++id)
      if (spellings.by_id[id])
        vocabulary_.set(TokenId{static_cast<std::int32_t>(id)}, decoding.piece(*spellings.by_id[id]));
    if (const auto unknown = model_->unknown()) {
      Piece piece = vocabulary_[*unknown];
      piece.kind = PieceKind::unknown;
      vocabulary_.set(*unknown, std::move(piece));
    }
    if (const auto added = root.find("added_tokens"))
      added->each_item([&](JsonNode node) { add(node, spellings, decoding, file.name); });
    find_normalized(file.name);
    const TokenizerConfig config = read_tokenizer_config(file);
    roles_ = roles_of(config, vocabulary_);
    if (model_->unknown() && !role("unk")) roles_.push_back({"unk", *model_->unknown()});
    chat_ = config.chat;
    frame_ = read_post_processor(root);
    for (const auto* tokens : {&frame_.before, &frame_.after})
      for (const TokenId token : *tokens)
        if (!vocabulary_.holds(token))
          throw Error("{}: post_processor adds the id {}, which no piece has", file.name, index(token));
  }

  Keeping keeping_of(const Decoding& decoding) const {
    if (normalizing_.changes_more || !cutting_.words.keeps_text() || !model_->writes_every_byte())
      return Keeping::no_text;
    const bool plain = normalizing_.normalizer.empty() && decoding.steps.empty() && !decoding.from_fallback;
    if (over_bytes_ && plain && decoding.from_characters) return Keeping::every_text;
    const bool drops_space = decoding.leading_space == LeadingSpace::one_dropped;
    const bool marks = normalizing_.marks_spaces && decoding.unmarks_spaces && decoding.steps.size() == 1 &&
                       decoding.from_fallback && !decoding.from_characters;
    const bool marked = !over_bytes_ && marks && normalizing_.prepends_mark == drops_space;
    return marked ? Keeping::texts_without_marks : Keeping::no_text;
  }

  void add(const JsonNode& node, const Spellings& spellings, const Decoding& decoding, const std::string& file) {
    const AddedToken added = read_added_token(node, read_token_id(node.at("id")));
    const auto known = spellings.ids.find(added.content);
    if (known && *known != added.token)
      throw Error("{}: the added token '{}' has id {}, but id {} in the vocabulary", node.where(),
                  excerpt(added.content), index(added.token), index(*known));
    if (!known && vocabulary_.holds(added.token)) {
      const auto id = static_cast<std::size_t>(index(added.token));
      const bool spelled = id < spellings.by_id.size() && spellings.by_id[id];
      throw Error("{}: the added token '{}' has id {}, which is also the id of '{}'", node.where(),
                  excerpt(added.content), id, excerpt(spelled ? *spellings.by_id[id] : vocabulary_[added.token].bytes));
    }
    // Spelled like a piece of other bytes (U+00C5 spells the byte C5): the id keeps the bytes, as in the library.
    Piece piece = known ? vocabulary_[added.token] : Piece{added.content, PieceKind::text, true};
    if (!known && decoding.unmarks_spaces) piece.bytes = decoding.piece(added.content).bytes;
    piece.added = true;
    if (piece.kind != PieceKind::unknown) piece.kind = added.special ? PieceKind::special : piece.kind;
    const bool kept = piece.bytes == added.content || (keeping_ == Keeping::texts_without_marks &&
                                                       added.content.find(kSpaceMark) != added.content.npos);
    if (!kept || added.lstrip || added.rstrip) keeping_ = Keeping::no_text;
    vocabulary_.set(added.token, std::move(piece));
    added_tokens_.push_back(added);
    if (!added.normalized) added_.add(added, file);
  }

  // Where two have become the same text, the special one is found, else the first.
  void find_normalized(const std::string& file) {
    for (const bool special : {true, false}) {
      for (AddedToken added : added_tokens_) {
        if (!added.normalized || added.special != special) continue;
        const std::string content = normalizing_.normalizer(added.content);
        const bool same = content == added.content;
        added.content = content;
        if (same || !added_normalized_.holds(content)) added_normalized_.add(added, file);
      }
    }
  }

  bool has_added_token(std::string_view text) const {
    bool found = false;
    each_section(
        text, [](std::string_view, bool) {}, [&](TokenId, std::string_view) { found = true; });
    return found;
  }

  // Calls section(std::string_view, at_start) for normalised text and token(TokenId, std::string_view) for added
  // tokens, in order.
  template <typename Section, typename Token>
  void each_section(std::string_view text, const Section& section, const Token& token) const {
    const auto split = [&](std::string_view normal, bool at_start) {
      for (const auto& [span, added] : added_normalized_.split(normal)) {
        const std::string_view part = normal.substr(span.begin, span.end - span.begin);
        if (added)
          token(*added, part);
        else
          section(part, at_start && span.begin == 0);
      }
    };
    for (const auto& [span, added] : added_.split(text)) {
      const std::string_view part = text.substr(span.begin, span.end - span.begin);
      if (added)
        token(*added, part);
      else if (normalizing_.normalizer.empty())
        split(part, span.begin == 0);
      else
        split(normalizing_.normalizer(part), span.begin == 0 && keeps_first_character(part));
    }
  }

  // A text whose first character is dropped has no beginning any more for a pre-tokeniser that marks it.
  bool keeps_first_character(std::string_view text) const {
    return !normalizing_.normalizer(text.substr(0, utf8_front(text).length)).empty();
  }

  template <typename Word>
  void each_word(std::string_view section, bool at_start, const Word& word) const {
    if (over_bytes_ || !cutting_.to_characters)
      cutting_.words.each_word(section, word, at_start);
    else
      cutting_.words.each_word(
          section, [&](std::string_view bytes) { word(bytes_as_characters(bytes)); }, at_start);
  }

  Normalizing normalizing_;
  Cutting cutting_;
  std::unique_ptr<WordModel> model_;
  bool over_bytes_ = false;  // the model takes the bytes of a word, not their characters
  Keeping keeping_ = Keeping::no_text;
  AddedTokenFinder added_, added_normalized_;
};

LoadedTokenizer load(const TokenizerFile& file) {
  const std::size_t first = file.content.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || file.content[first] != '{') return {nullptr, "it is not a JSON object"};
  const JsonDocument document(file.content, file.name);
  const auto model = document.root().find("model");
  if (!model) return {nullptr, "it has no model"};
  const std::string_view type = model_type(*model);
  if (type != "BPE" && type != "Unigram" && type != "WordLevel" && type != "WordPiece")
    return {nullptr, fmt::format("its model is {}", type.empty() ? "of no named type" : excerpt(type))};
  return {std::make_unique<HuggingFace>(document.root(), file), ""};
}

}  // namespace

TokenizerKind tokenizer_hugging_face() {
  return {"hugging_face",
          "tokenizer.json of Hugging Face tokenizers: BPE, Unigram, WordLevel, WordPiece",
          {"tokenizer.json"},
          load};
}

}  // namespace specdec

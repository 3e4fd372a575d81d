// tokenizer.model of SentencePiece, BPE and Unigram, by its own library: Llama 2, Mistral 7B, Gemma. Added tokens of
// tokenizer_config.json are cut out of the text first; the rest between them is not given another leading space.

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tokenizers/added_tokens.h"
#include "tokenizers/byte_alphabet.h"
#include "tokenizers/charsmap.h"
#include "tokenizers/normalizer.h"
#include "tokenizers/protobuf.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/tokenizer_config.h"
#include "tokenizers/utf8.h"
#include "tokenizers/word_cache.h"

namespace specdec {
namespace {

// sentencepiece_model.proto: what the library does not tell of a model.
struct ModelSpec {
  std::uint64_t type = 1;  // 1 Unigram, 2 BPE
  bool space_at_end = false;
  bool byte_fallback = false;
  std::string unknown_surface = " \u2047 ";
  std::string_view normalization;  // precompiled_charsmap
  std::string normalization_name;
  bool adds_leading_space = true;
  bool joins_spaces = true;  // remove_extra_whitespaces
  bool marks_spaces = true;  // escape_whitespaces
};

// The library builds its trie by recursion, a byte of a piece each: one of megabytes overflows the stack.
void check_piece(std::string_view message, int id, const std::string& name) {
  constexpr std::size_t kMaxBytes = 1024;  // published ones have at most 93
  ProtobufReader fields(message, name);
  while (const auto field = fields.next())
    if (field->number == 1 && field->bytes.size() > kMaxBytes)
      throw Error("{}: piece {} has {} bytes; at most {} are supported", name, id, field->bytes.size(), kMaxBytes);
}

ModelSpec read_spec(std::string_view model, const std::string& name) {
  ModelSpec spec;
  int pieces = 0;
  ProtobufReader reader(model, name);
  while (const auto part = reader.next()) {
    if (part->number == 1) check_piece(part->bytes, pieces++, name);
    if (part->number != 2 && part->number != 3) continue;
    ProtobufReader fields(part->bytes, name);
    while (const auto field = fields.next()) {
      if (part->number == 2) {  // trainer_spec
        if (field->number == 3) spec.type = field->value;
        if (field->number == 24) spec.space_at_end = field->value != 0;
        if (field->number == 35) spec.byte_fallback = field->value != 0;
        if (field->number == 44) spec.unknown_surface = field->bytes;
      } else {  // normalizer_spec
        if (field->number == 1) spec.normalization_name = field->bytes;
        if (field->number == 2) spec.normalization = field->bytes;
        if (field->number == 3) spec.adds_leading_space = field->value != 0;
        if (field->number == 4) spec.joins_spaces = field->value != 0;
        if (field->number == 5) spec.marks_spaces = field->value != 0;
      }
    }
  }
  return spec;
}

std::unique_ptr<sentencepiece::SentencePieceProcessor> load_processor(const std::string& model,
                                                                      const std::string& name) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  std::string wrong;
  try {
    const auto status = processor->LoadFromSerializedProto(model);
    if (status.ok()) return processor;
    wrong = status.ToString();
  } catch (const std::exception& error) {  // of the library's trie, for a piece that begins with a zero byte
    wrong = error.what();
  }
  throw Error("{}: not a SentencePiece model: {}", name, excerpt(wrong, 200));
}

class SentencePiece : public Tokenizer {
 public:
  explicit SentencePiece(const TokenizerFile& file) {
    const ModelSpec spec = read_spec(file.content, file.name);
    if (spec.type != 1 && spec.type != 2)
      throw Error("{}: model_type is {}; sentencepiece supports 1 (Unigram) and 2 (BPE)", file.name, spec.type);
    if (spec.space_at_end || !spec.marks_spaces)
      throw Error("{}: {} is not supported", file.name,
                  spec.space_at_end ? "treat_whitespace_as_suffix" : "escape_whitespaces = false");
    if (!spec.normalization.empty()) check_charsmap(spec.normalization, file.name);
    whole_ = load_processor(file.content, file.name);
    set_pieces(spec, file.name);
    keeps_ = keeps_ && spec.normalization.empty() && !spec.joins_spaces;
    leading_space_ = spec.joins_spaces         ? LeadingSpace::all_dropped
                     : spec.adds_leading_space ? LeadingSpace::one_dropped
                                               : LeadingSpace::kept;

    steps_ = steps_of(spec);
    const TokenizerConfig config = read_tokenizer_config(file);
    chat_ = config.chat;
    for (const AddedToken& added : config.added) add(added, file.name);
    cuts_ = spec.type == 2 && spec.normalization.empty() && !spec.joins_spaces && spaces_begin_pieces();
    if ((!added_.empty() || cuts_) && spec.adds_leading_space) {
      // Fields of a later normalizer_spec (3) replace those of the first: add_dummy_prefix (3) = false.
      constexpr std::string_view kNoLeadingSpace("\x1A\x02\x18\x00", 4);
      rest_ = load_processor(file.content + std::string(kNoLeadingSpace), file.name);
    }
    set_roles(config);
  }

  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> tokens;
    WordCache cache(text.size());
    for (const auto& [span, token] : added_.split(text)) {
      std::string_view section = text.substr(span.begin, span.end - span.begin);
      if (token) {
        tokens.push_back(*token);
        continue;
      }
      const std::size_t first = first_cut(section);
      append(processor_at(span.begin), section.substr(0, first), tokens);
      for (section.remove_prefix(first); !section.empty(); section.remove_prefix(first_cut(section))) {
        const std::string_view word = section.substr(0, first_cut(section));
        cache.append(word, tokens, [&] { append(rest(), word, tokens); });
      }
    }
    return tokens;
  }

  // The library makes U+FFFD of bytes that are not UTF-8, and a space of U+2581.
  bool keeps(std::string_view text) const override {
    return keeps_ && utf8_valid_prefix(text) == text.size() && text.find(kSpaceMark) == text.npos;
  }

  TokenizerSteps steps() const override { return steps_; }

  std::string normalize(std::string_view text) const override { return normalized(*whole_, text); }

  // The library works on the whole text between added tokens.
  std::vector<std::string> words(std::string_view text) const override {
    std::vector<std::string> words;
    for (const auto& [span, token] : added_.split(text)) {
      const std::string_view section = text.substr(span.begin, span.end - span.begin);
      words.push_back(token ? std::string(section) : normalized(processor_at(span.begin), section));
    }
    return words;
  }

  std::vector<MergePair> merges() const override { return {}; }

 private:
  const sentencepiece::SentencePieceProcessor& rest() const { return rest_ ? *rest_ : *whole_; }
  const sentencepiece::SentencePieceProcessor& processor_at(std::size_t begin) const {
    return begin == 0 ? *whole_ : rest();
  }

  // Whether no piece has a space after anything but spaces: then BPE, which only ever joins neighbours to a piece,
  // joins nothing across the beginning of a run of spaces. (Unigram rounds its sums over the whole text, so parts of it
  // may get other ids.)
  bool spaces_begin_pieces() const {
    for (int id = 0; id < whole_->GetPieceSize(); ++id) {
      std::string_view piece = whole_->IdToPiece(id);
      if (piece.find(' ') != piece.npos) return false;
      while (piece.starts_with(kSpaceMark)) piece.remove_prefix(kSpaceMark.size());
      if (piece.find(kSpaceMark) != piece.npos) return false;
    }
    return true;
  }

  // Where the first part ends that can be encoded by itself: behind its first byte.
  std::size_t first_cut(std::string_view text) const {
    if (!cuts_) return text.size();
    for (std::size_t at = text.find(' ', 1); at != text.npos; at = text.find(' ', at + 1))
      if (text[at - 1] != ' ' && !text.substr(0, at).ends_with(kSpaceMark)) return at;
    return text.size();
  }

  static TokenizerSteps steps_of(const ModelSpec& spec) {
    TokenizerSteps steps;
    steps.model = fmt::format("SentencePiece {}{}", spec.type == 1 ? "Unigram" : "BPE",
                              spec.byte_fallback ? " with byte fallback" : "");
    if (!spec.normalization.empty())
      steps.normalizer.push_back(spec.normalization_name.empty() ? "a table of its own" : spec.normalization_name);
    if (spec.joins_spaces) steps.normalizer.emplace_back("joins spaces, drops those at the ends");
    if (spec.adds_leading_space) steps.normalizer.emplace_back("puts ' ' before the text");
    steps.normalizer.push_back(fmt::format("replaces ' ' by '{}'", kSpaceMark));
    return steps;
  }

  // What the library made of the text before it was cut: its pieces put together.
  std::string normalized(const sentencepiece::SentencePieceProcessor& processor, std::string_view text) const {
    std::string result;
    const auto pieces = processor.EncodeAsImmutableProto(text);
    for (std::size_t i = 0; i < pieces.pieces_size(); ++i) {
      const auto piece = pieces.pieces(static_cast<int>(i));
      const bool byte = processor.IsByte(static_cast<int>(piece.id()));
      result += byte ? vocabulary_[TokenId{static_cast<int>(piece.id())}].bytes : piece.piece();
    }
    return result;
  }

  static void append(const sentencepiece::SentencePieceProcessor& processor, std::string_view text,
                     std::vector<TokenId>& tokens) {
    std::vector<int> ids;
    const auto status = processor.Encode(text, &ids);
    if (!status.ok())
      throw Error("SentencePiece cannot encode a text of {} bytes: {}", text.size(), excerpt(status.ToString(), 200));
    for (const int id : ids) tokens.push_back(TokenId{id});
  }

  void set_pieces(const ModelSpec& spec, const std::string& name) {
    const int size = whole_->GetPieceSize();
    if (size > Vocabulary::kMaxSize)
      throw Error("{}: {} pieces; at most {} are supported", name, size, Vocabulary::kMaxSize);
    int bytes = 0;
    bool writes_spaces = false;  // without a piece for the mark, a space becomes the bytes of U+2581
    for (int id = 0; id < size; ++id) {
      const std::string& piece = whole_->IdToPiece(id);
      if (whole_->IsByte(id)) {
        ++bytes;
        vocabulary_.set(TokenId{id}, {std::string(1, byte_of(piece, name)), PieceKind::byte, false});
      } else if (whole_->IsControl(id)) {
        vocabulary_.set(TokenId{id}, {piece, PieceKind::special, false});
      } else if (whole_->IsUnknown(id)) {
        vocabulary_.set(TokenId{id}, {spec.unknown_surface, PieceKind::unknown, false});
      } else {
        writes_spaces = writes_spaces || piece == kSpaceMark;
        vocabulary_.set(TokenId{id}, {replaced(piece, kSpaceMark, " "), PieceKind::text, false});
      }
    }
    keeps_ = bytes == 256 && spec.byte_fallback && writes_spaces;
  }

  static char byte_of(std::string_view piece, const std::string& name) {
    const auto byte = fallback_byte(piece);
    if (!byte) throw Error("{}: the byte piece '{}' is not spelled <0x00> to <0xFF>", name, excerpt(piece));
    return *byte;
  }

  void add(const AddedToken& added, const std::string& name) {
    const int id = index(added.token);
    if (id < whole_->GetPieceSize() && whole_->IdToPiece(id) != added.content)
      throw Error("tokenizer_config.json beside {}: the added token '{}' has id {}, which is '{}' in the model", name,
                  excerpt(added.content), id, excerpt(whole_->IdToPiece(id)));
    const bool unknown = vocabulary_.holds(added.token) && vocabulary_[added.token].kind == PieceKind::unknown;
    const PieceKind kind = unknown ? PieceKind::unknown : added.special ? PieceKind::special : PieceKind::text;
    vocabulary_.set(added.token, {added.content, kind, true});
    keeps_ = keeps_ && !added.lstrip && !added.rstrip;
    added_tokens_.push_back(added);
    added_.add(added, name);
  }

  void set_roles(const TokenizerConfig& config) {
    roles_ = roles_of(config, vocabulary_);
    const std::array<std::pair<const char*, int>, 4> own{
        {{"bos", whole_->bos_id()}, {"eos", whole_->eos_id()}, {"pad", whole_->pad_id()}, {"unk", whole_->unk_id()}}};
    for (const auto& [name, id] : own)
      if (id >= 0 && !role(name)) roles_.push_back({name, TokenId{id}});
    if (config.adds_bos && role("bos")) frame_.before.push_back(*role("bos"));
    if (config.adds_eos && role("eos")) frame_.after.push_back(*role("eos"));
  }

  std::unique_ptr<sentencepiece::SentencePieceProcessor> whole_;  // for the beginning of a text
  std::unique_ptr<sentencepiece::SentencePieceProcessor>
      rest_;  // where no leading space is put: behind an added token or a cut
  TokenizerSteps steps_;
  AddedTokenFinder added_;
  bool keeps_ = false;
  bool cuts_ = false;  // before runs of spaces
};

LoadedTokenizer load(const TokenizerFile& file) {
  // The first field of the message is a piece: 0x0A. JSON and tiktoken files begin with a printable character.
  if (file.content.empty() || file.content[0] != '\x0A') return {nullptr, "it does not begin with a piece"};
  return {std::make_unique<SentencePiece>(file), ""};
}

}  // namespace

TokenizerKind tokenizer_sentencepiece() {
  return {"sentencepiece",
          "tokenizer.model of SentencePiece, BPE and Unigram: Llama 2, Mistral 7B, Gemma",
          {"tokenizer.model"},
          load};
}

}  // namespace specdec

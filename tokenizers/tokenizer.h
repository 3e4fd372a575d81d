// Text to token ids and back, with the ids of the library that made the file.
//   const auto tokenizer = load_tokenizer("models/demo-moe");
//   const std::vector<TokenId> ids = tokenizer->encode("Hello");
//   tokenizer->decode(ids) == "Hello";
// A tokenizer does not know whose it is: TokenId means an id of its own vocabulary, also for a drafter's.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/types.h"
#include "tokenizers/added_tokens.h"
#include "tokenizers/vocabulary.h"

namespace specdec {

// A special token and what it is for: bos, eos, pad, unk, cls, sep, mask.
struct Role {
  std::string name;
  TokenId token;
};

// What a checkpoint wants around a text.
struct Frame {
  std::vector<TokenId> before, after;
};

// What decoding drops at the very beginning, because encoding puts it there.
enum class LeadingSpace { kept, one_dropped, all_dropped };

// How a text becomes tokens, in words for people; stages that do nothing are left out.
struct TokenizerSteps {
  std::string model;                       // "BPE over bytes", "Unigram with byte fallback"
  std::vector<std::string> normalizer;     // "NFC", "replaces ' ' by '\u2581'"
  std::vector<std::string> pre_tokenizer;  // "splits at \p{N}, isolated"
};

// What a checkpoint says of conversations: templates of Jinja, and the special tokens that they may write.
struct ChatTexts {
  std::string conversation, with_tools;                         // with_tools: if there is one of its own
  std::vector<std::pair<std::string, std::string>> role_texts;  // "bos", "<s>"
  std::string unusable = {};  // why the template that is there cannot be read; empty: it can, or there is none

  bool any() const { return !conversation.empty() || !unusable.empty(); }
};

// Two neighbouring pieces that BPE joins, as their bytes.
struct MergePair {
  std::string left, right;
};

// Const after loading; safe to use from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of the text alone: special tokens written in it are recognised, none is added.
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  // Whether decode(encode(text)) is promised to be this text.
  virtual bool keeps(std::string_view text) const = 0;

  // The stages that encode() goes through, for comparing two tokenizers; slower than encode(), with the same Errors.
  virtual TokenizerSteps steps() const = 0;
  // The text as the pre-tokeniser sees it; added tokens in it are not cut out.
  virtual std::string normalize(std::string_view text) const = 0;
  // The parts that the model works inside, in order and as bytes; added tokens are parts of their own.
  virtual std::vector<std::string> words(std::string_view text) const = 0;
  // Of BPE, in order of rank: the first is joined first. Empty if it is not BPE, and for SentencePiece, whose file
  // ranks pieces instead of pairs.
  virtual std::vector<MergePair> merges() const = 0;

  // The same inside frame().
  std::vector<TokenId> encode_framed(std::string_view text) const;
  // The bytes of the pieces, special ones with their names; U+FFFD for an id that no piece has (padding of a model).
  std::string decode(std::span<const TokenId> tokens) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  int size() const { return vocabulary_.size(); }
  std::string_view piece(TokenId token) const;  // throws Error for an id that no piece has
  std::span<const Role> roles() const { return roles_; }
  std::optional<TokenId> role(std::string_view name) const;
  const Frame& frame() const { return frame_; }
  LeadingSpace leading_space() const { return leading_space_; }
  std::span<const AddedToken> added_tokens() const { return added_tokens_; }
  // The Jinja template of a conversation, the default one if there are several; empty if the files have none.
  const std::string& chat_template() const { return chat_.conversation; }
  const ChatTexts& chat() const { return chat_; }

 protected:
  Vocabulary vocabulary_;
  std::vector<Role> roles_;
  Frame frame_;
  LeadingSpace leading_space_ = LeadingSpace::kept;
  std::vector<AddedToken> added_tokens_;
  ChatTexts chat_;
};

// Bytes of tokens as they arrive. What was decoded before (a prompt) is fed first and thrown away.
class TokenBytes {
 public:
  explicit TokenBytes(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string_view add(TokenId token);

 private:
  const Tokenizer& tokenizer_;
  bool begun_ = false;
};

// The same in whole characters: bytes are held back until they are complete UTF-8; what can never be is U+FFFD.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : bytes_(tokenizer) {}
  std::string add(TokenId token);
  std::string finish();  // what is still held back

 private:
  TokenBytes bytes_;
  std::string held_;
};

// The texts a kind is loaded from. Only `content` must be there.
struct TokenizerFile {
  std::string name;                // for errors
  std::string content;             // the tokenizer file itself; of GGUF all before the tensors
  std::string tokenizer_config;    // tokenizer_config.json
  std::string model_config;        // config.json
  std::string chat_template = {};  // chat_template.jinja, or what chat_template.json holds
  std::string chat_unusable = {};  // why these cannot be read: an error only for those who ask for the template
};

// Either a tokenizer, or why the file is of another kind.
struct LoadedTokenizer {
  std::unique_ptr<Tokenizer> tokenizer;
  std::string declined;
};

struct TokenizerKind {
  std::string_view name, summary;
  // What a checkpoint directory calls it, the usual name first; "*.x" is any name that ends so; none: it is no file of
  // its own.
  std::vector<std::string_view> files;
  // Throws Error when the file is of this kind but broken, or uses what this kind does not support.
  LoadedTokenizer (*load)(const TokenizerFile&);
};
std::span<const TokenizerKind> tokenizer_kinds();  // generated from kinds/*.cc

// From a checkpoint directory: the first of its tokenizer files that a kind takes, in the order of the kinds, else what
// is inside its GGUF file; null when it has none of them (a checkpoint without a tokenizer is still a model). Or from
// one file alone, of any name. Throws Error when a file is there but cannot be used.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory_or_file);
std::unique_ptr<Tokenizer> load_tokenizer(const TokenizerFile& file);

}  // namespace specdec

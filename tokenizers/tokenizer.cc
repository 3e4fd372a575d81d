#include "tokenizers/tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/files/gguf.h"
#include "tokenizers/json_node.h"
#include "tokenizers/utf8.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  const MappedFile file(path);
  if (file.bytes().empty()) throw Error("{}: is empty", path.string());
  return std::string(file.text());
}

// All before the tensors; nothing if there is no tokenizer in it.
std::string read_gguf(const fs::path& path) {
  const GgufFile file(path);
  const std::string_view model = file.content().metadata.text("tokenizer.ggml.model").value_or("none");
  return std::string(model == "none" || model == "no_vocab" ? "" : file.content().header);
}

std::string read_if_there(const fs::path& path) { return fs::exists(path) ? read_file(path) : ""; }

// Beside the tokenizer: in a file of its own, of which older processors wrote the second.
std::string read_chat_template(const fs::path& directory) {
  const std::string bare = read_if_there(directory / "chat_template.jinja");
  const fs::path wrapped = directory / "chat_template.json";
  if (!bare.empty() || !fs::exists(wrapped)) return bare;
  const std::string text = read_file(wrapped);
  const JsonDocument document(text, wrapped.string());
  return std::string(document.root().at("chat_template").text());
}

// The tokenizer if this kind takes the file; else null, and the reason is added to `declined`.
std::unique_ptr<Tokenizer> load_as(const TokenizerKind& kind, const TokenizerFile& file, std::string& declined) {
  LoadedTokenizer loaded = kind.load(file);
  if (!loaded.tokenizer)
    declined += fmt::format("{}{}: not {}: {}", declined.empty() ? "" : "; ", file.name, kind.name, loaded.declined);
  return std::move(loaded.tokenizer);
}

bool is_called(std::string_view name, std::string_view pattern) {
  return pattern.starts_with('*') ? name.ends_with(pattern.substr(1)) : name == pattern;
}

// The file of this name; nothing if there is none. Throws Error if a pattern fits several.
std::optional<fs::path> find_file(const fs::path& directory, std::string_view pattern) {
  if (!pattern.starts_with('*')) {
    const fs::path path = directory / pattern;
    return fs::exists(path) ? std::optional(path) : std::nullopt;
  }
  std::optional<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!is_called(entry.path().filename().string(), pattern)) continue;
    if (found) throw Error("{}: several files are called {}; name the one that is meant", directory.string(), pattern);
    found = entry.path();
  }
  return found;
}

std::unique_ptr<Tokenizer> load_directory(const fs::path& directory) {
  std::string declined;
  for (const TokenizerKind& kind : tokenizer_kinds()) {
    for (const std::string_view pattern : kind.files) {
      const auto path = find_file(directory, pattern);
      if (!path) continue;
      TokenizerFile file{path->string(), read_file(*path), read_if_there(directory / "tokenizer_config.json"),
                         read_if_there(directory / "config.json")};
      try {
        file.chat_template = read_chat_template(directory);
      } catch (const Error& error) {
        file.chat_unusable = error.what();
      }
      if (auto tokenizer = load_as(kind, file, declined)) return tokenizer;
    }
  }
  if (!declined.empty()) throw Error("no kind of tokenizer takes {}", declined);
  return nullptr;
}

}  // namespace

std::vector<TokenId> Tokenizer::encode_framed(std::string_view text) const {
  std::vector<TokenId> tokens = frame_.before;
  const std::vector<TokenId> inside = encode(text);
  tokens.insert(tokens.end(), inside.begin(), inside.end());
  tokens.insert(tokens.end(), frame_.after.begin(), frame_.after.end());
  return tokens;
}

std::string Tokenizer::decode(std::span<const TokenId> tokens) const {
  TokenBytes bytes(*this);
  std::string text;
  for (const TokenId token : tokens) text += bytes.add(token);
  return text;
}

std::string_view Tokenizer::piece(TokenId token) const {
  if (!vocabulary_.holds(token))
    throw Error("the tokenizer has no piece with id {}; its ids are 0 to {}{}", index(token), size() - 1,
                index(token) >= 0 && index(token) < size() ? ", with holes" : "");
  return vocabulary_[token].bytes;
}

std::optional<TokenId> Tokenizer::role(std::string_view name) const {
  const auto found = std::find_if(roles_.begin(), roles_.end(), [&](const Role& role) { return role.name == name; });
  return found == roles_.end() ? std::nullopt : std::optional(found->token);
}

std::string_view TokenBytes::add(TokenId token) {
  const Vocabulary& vocabulary = tokenizer_.vocabulary();
  std::string_view bytes = vocabulary.holds(token) ? std::string_view(vocabulary[token].bytes) : "\uFFFD";
  if (!begun_ && tokenizer_.leading_space() != LeadingSpace::kept && bytes.starts_with(' ') &&
      vocabulary[token].kind == PieceKind::text)
    bytes.remove_prefix(1);
  begun_ = tokenizer_.leading_space() != LeadingSpace::all_dropped || !bytes.empty();
  return bytes;
}

std::string StreamDecoder::add(TokenId token) {
  held_ += bytes_.add(token);
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Char c = utf8_front(rest);
    if (c.state == Utf8Char::State::cut) break;
    if (c.state == Utf8Char::State::complete) {
      text += rest.substr(0, c.length);
    } else {
      text += "\uFFFD";
    }
    rest.remove_prefix(c.length);
  }
  held_.erase(0, held_.size() - rest.size());
  return text;
}

std::string StreamDecoder::finish() {
  const bool cut = !held_.empty();
  held_.clear();
  return cut ? "\uFFFD" : "";
}

std::unique_ptr<Tokenizer> load_tokenizer(const TokenizerFile& file) {
  const std::string name = fs::path(file.name).filename().string();
  std::vector<TokenizerKind> kinds(tokenizer_kinds().begin(), tokenizer_kinds().end());
  std::ranges::stable_partition(kinds, [&](const TokenizerKind& kind) {
    return std::ranges::any_of(kind.files, [&](std::string_view pattern) { return is_called(name, pattern); });
  });
  std::string declined;
  for (const TokenizerKind& kind : kinds)
    if (auto tokenizer = load_as(kind, file, declined)) return tokenizer;
  throw Error("no kind of tokenizer takes {}", declined);
}

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& directory_or_file) {
  if (fs::is_directory(directory_or_file)) {
    if (auto tokenizer = load_directory(directory_or_file)) return tokenizer;
    if (!is_gguf(directory_or_file)) return nullptr;
  }
  if (!is_gguf(directory_or_file))
    return load_tokenizer(TokenizerFile{directory_or_file.string(), read_file(directory_or_file), "", ""});
  const fs::path file = first_gguf(directory_or_file);
  const std::string header = read_gguf(file);
  return header.empty() ? nullptr : load_tokenizer(TokenizerFile{file.string(), header, "", ""});
}

}  // namespace specdec

#include "tokenizers/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.h"

namespace specdec {
namespace {

constexpr std::array<std::string_view, 7> kRoles{"bos", "eos", "pad", "unk", "cls", "sep", "mask"};

// A special token is spelled as a text or as an object with its flags.
std::string text_of(const JsonNode& token) {
  return std::string(token.is_text() ? token.text() : token.at("content").text());
}

TokenId id_of_key(std::string_view key, const JsonNode& where) {
  int id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= Vocabulary::kMaxSize)
    throw Error("{}: the key is not a token id from 0 to {}", where.where(), Vocabulary::kMaxSize - 1);
  return TokenId{id};
}

// A text, or a list of named ones.
void read_chat_templates(const JsonNode& root, ChatTexts& chat) {
  const auto found = root.find("chat_template");
  if (!found) return;
  if (found->is_text()) {
    chat.conversation = found->text();
    return;
  }
  for (const JsonNode& named : found->items()) {
    if (named.at("name").text() == "default") chat.conversation = named.at("template").text();
    if (named.at("name").text() == "tool_use") chat.with_tools = named.at("template").text();
  }
}

}  // namespace

TokenId read_token_id(const JsonNode& node) {
  return TokenId{static_cast<std::int32_t>(node.integer(0, Vocabulary::kMaxSize - 1))};
}

AddedToken read_added_token(const JsonNode& node, TokenId token) {
  AddedToken added;
  added.content = node.at("content").text();
  added.token = token;
  added.special = boolean_or(node, "special", false);
  added.single_word = boolean_or(node, "single_word", false);
  added.lstrip = boolean_or(node, "lstrip", false);
  added.rstrip = boolean_or(node, "rstrip", false);
  const auto normalized = node.find("normalized");
  added.normalized = normalized ? normalized->boolean() : !added.special;
  return added;
}

TokenizerConfig read_tokenizer_config(const TokenizerFile& file) {
  TokenizerConfig config;
  if (!file.tokenizer_config.empty()) {
    const JsonDocument document(file.tokenizer_config, "tokenizer_config.json beside " + file.name);
    const JsonNode root = document.root();
    for (const std::string_view role : kRoles)
      if (const auto token = root.find(fmt::format("{}_token", role)))
        config.role_texts.emplace_back(role, text_of(*token));
    if (const auto added = root.find("added_tokens_decoder"))
      added->each_member([&](std::string_view key, JsonNode node) {
        config.added.push_back(read_added_token(node, id_of_key(key, node)));
      });
    config.adds_bos = boolean_or(root, "add_bos_token", false);
    config.adds_eos = boolean_or(root, "add_eos_token", false);
    try {
      read_chat_templates(root, config.chat);
    } catch (const Error& error) {  // for those who ask for it
      config.chat = {"", "", {}, error.what()};
    }
  }
  if (!file.chat_template.empty() || !file.chat_unusable.empty())
    config.chat = {file.chat_template, "", {}, file.chat_unusable};
  config.chat.role_texts = config.role_texts;
  if (!file.model_config.empty()) {
    const JsonDocument document(file.model_config, "config.json beside " + file.name);
    for (const std::string_view role : kRoles) {
      const auto id = document.root().find(fmt::format("{}_token_id", role));
      if (!id) continue;
      const std::vector<JsonNode> ids = id->is_list() ? id->items() : std::vector{*id};
      // pad_token_id -1 is a common way to say none; what the model itself needs is checked by the model.
      if (!ids.empty() && ids[0].is_integer() && ids[0].integer(INT64_MIN, INT64_MAX) >= 0)
        config.role_ids.push_back({std::string(role), read_token_id(ids[0])});
    }
  }
  return config;
}

std::vector<Role> roles_of(const TokenizerConfig& config, const Vocabulary& vocabulary) {
  std::vector<Role> roles;
  for (const auto& [name, text] : config.role_texts) {
    std::optional<TokenId> found;
    for (int id = 0; id < vocabulary.size(); ++id) {
      const Piece& piece = vocabulary[TokenId{id}];
      if (piece.kind == PieceKind::hole || piece.bytes != text) continue;
      if (!found || piece.kind == PieceKind::special) found = TokenId{id};
    }
    if (found) roles.push_back({name, *found});
  }
  for (const Role& role : config.role_ids) {
    const bool known =
        std::any_of(roles.begin(), roles.end(), [&](const Role& other) { return other.name == role.name; });
    if (!known && vocabulary.holds(role.token)) roles.push_back(role);
  }
  return roles;
}

}  // namespace specdec

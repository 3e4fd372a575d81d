// tokenizer_config.json and config.json, as far as they speak of tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizers/added_tokens.h"
#include "tokenizers/json_node.h"
#include "tokenizers/tokenizer.h"

namespace specdec {

struct TokenizerConfig {
  std::vector<std::pair<std::string, std::string>> role_texts;  // "bos", "<s>"
  std::vector<Role> role_ids;                                   // of config.json, where the text is not given
  std::vector<AddedToken> added;                                // added_tokens_decoder
  bool adds_bos = false, adds_eos = false;
  ChatTexts chat;
};

// Files that are not there (empty text) say nothing.
TokenizerConfig read_tokenizer_config(const TokenizerFile& file);

// One added token as tokenizer.json and tokenizer_config.json spell it.
AddedToken read_added_token(const JsonNode& node, TokenId token);

// An id of a file: 0 to Vocabulary::kMaxSize - 1.
TokenId read_token_id(const JsonNode& node);

// The roles of the pieces that are there; a role whose token the vocabulary lacks is left out.
std::vector<Role> roles_of(const TokenizerConfig& config, const Vocabulary& vocabulary);

}  // namespace specdec

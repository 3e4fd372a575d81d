// A conversation as the text that a model was trained to go on from.
//   const ChatTemplate chat = chat_template_of(*tokenizer, "demo");
//   chat.render({{"user", "Why is the sky blue?"}}, now) == "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n…"
// The text holds what begins it, too: encode() it, without a frame.
#pragma once

#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tokenizers/jinja/template.h"
#include "tokenizers/tokenizer.h"

namespace specdec {

struct ChatMessage {
  std::string role, content;  // role: system, user or assistant
};

class ChatTemplate {
 public:
  // name: of the model, for errors. Throws Error if there is no template, or one that is not supported.
  ChatTemplate(const ChatTexts& texts, const std::string& name);

  // Ends where the model's answer begins. now: of which a template may tell the date, as UTC. Throws Error if the
  // template refuses the conversation.
  std::string render(const std::vector<ChatMessage>& messages, std::time_t now) const;

  // The same with all that transformers' apply_chat_template takes: a list of messages as dicts; `tools`, `documents`
  // and whatever else the template knows; add_generation_prompt, which is true unless it is given.
  std::string render(const jinja::Value& messages, const jinja::Dict& variables, std::time_t now) const;

 private:
  jinja::Template conversation_;
  std::optional<jinja::Template> with_tools_;
  jinja::Dict special_tokens_;
};

ChatTemplate chat_template_of(const Tokenizer& tokenizer, const std::string& name);

bool tells_date(const ChatTexts& texts);  // of what it is asked: the text of a conversation depends on it

}  // namespace specdec

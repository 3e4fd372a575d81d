#include "tokenizers/chat_template.h"

#include <algorithm>

#include "core/error.h"

namespace specdec {
namespace {

using jinja::Dict;
using jinja::Value;

const std::string& conversation_of(const ChatTexts& texts, const std::string& name) {
  if (!texts.unusable.empty()) throw Error("the chat template of {} cannot be read: {}", name, texts.unusable);
  if (texts.conversation.empty()) {
    throw Error("{} has no chat template in tokenizer_config.json, chat_template.jinja or its GGUF file", name);
  }
  return texts.conversation;
}

}  // namespace

ChatTemplate::ChatTemplate(const ChatTexts& texts, const std::string& name)
    : conversation_(conversation_of(texts, name), "chat template of " + name) {
  if (!texts.with_tools.empty()) with_tools_.emplace(texts.with_tools, "chat template of " + name + " for tools");
  for (const auto& [role, text] : texts.role_texts) special_tokens_.set(role + "_token", Value(text));
}

ChatTemplate chat_template_of(const Tokenizer& tokenizer, const std::string& name) {
  ChatTexts texts = tokenizer.chat();
  if (!texts.role_texts.empty()) return {texts, name};
  for (const Role& role : tokenizer.roles()) texts.role_texts.emplace_back(role.name, tokenizer.piece(role.token));
  return {texts, name};
}

bool tells_date(const ChatTexts& texts) { return texts.conversation.find("strftime_now") != std::string::npos; }

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages, std::time_t now) const {
  std::vector<Value> list;
  for (const ChatMessage& message : messages) {
    Dict dict;
    dict.set("role", Value(message.role));
    dict.set("content", Value(message.content));
    list.emplace_back(std::move(dict));
  }
  return render(Value(std::move(list)), {}, now);
}

std::string ChatTemplate::render(const Value& messages, const Dict& variables, std::time_t now) const {
  Dict all = special_tokens_;
  all.set("messages", messages);
  for (const char* absent : {"tools", "documents"}) all.set(absent, Value(jinja::None{}));
  all.set("add_generation_prompt", Value(true));
  for (const auto& [name, value] : variables.items()) all.set(name.text(), value);
  const bool uses_tools = with_tools_ && all.find("tools")->truth();
  return (uses_tools ? *with_tools_ : conversation_).render(all, now);
}

}  // namespace specdec

// experiments/prompts/*.jsonl: a text to continue under "prompt", or a message to a chat model under "message".
#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"

namespace specdec {
namespace {

NamedPrompt prompt_of(const JsonNode& record, int) {
  const auto message = record.find("message");
  return {prompt_id(record.at("id")), std::string(record.at("domain").text()),
          prompt_text(message ? *message : record.at("prompt")), message.has_value()};
}

}  // namespace

PromptFormat prompt_format_ours() {
  return {"ours", "id, domain and prompt, or message for chat",
          [](const PromptFile& file) {
            return first_record_has(file, {"id", "domain", "prompt"}) ||
                   first_record_has(file, {"id", "domain", "message"});
          },
          [](const PromptFile& file) { return prompts_of_records(file, prompt_of); }};
}

}  // namespace specdec

// HumanEval.jsonl (https://github.com/openai/human-eval): beginnings of functions, to continue.
#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"

namespace specdec {
namespace {

NamedPrompt prompt_of(const JsonNode& record, int) {
  return {prompt_id(record.at("task_id")), "code", prompt_text(record.at("prompt"))};
}

}  // namespace

PromptFormat prompt_format_humaneval() {
  return {"humaneval", "task_id and prompt",
          [](const PromptFile& file) {
            return first_record_has(file, {"task_id", "prompt"});
          },
          [](const PromptFile& file) { return prompts_of_records(file, prompt_of); }};
}

}  // namespace specdec

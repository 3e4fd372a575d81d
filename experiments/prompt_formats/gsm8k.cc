// GSM8K (https://github.com/openai/grade-school-math): messages to a chat model. They have no ids: their numbers stand
// for them.
#include <fmt/format.h>

#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"

namespace specdec {
namespace {

NamedPrompt prompt_of(const JsonNode& record, int number) {
  return {fmt::format("gsm8k-{}", number), "math", prompt_text(record.at("question")), true};
}

}  // namespace

PromptFormat prompt_format_gsm8k() {
  return {"gsm8k", "question and answer",
          [](const PromptFile& file) {
            return first_record_has(file, {"question", "answer"});
          },
          [](const PromptFile& file) { return prompts_of_records(file, prompt_of); }};
}

}  // namespace specdec

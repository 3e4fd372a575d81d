// MT-bench as the hub has it (HuggingFaceH4/mt_bench_prompts), and as FastChat's question.jsonl: messages to a chat
// model.
#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"

namespace specdec {
namespace {

NamedPrompt prompt_of(const JsonNode& record, int) {
  return record.find("turns") ? first_turn(record, "question_id", "turns") : first_turn(record, "prompt_id", "prompt");
}

}  // namespace

PromptFormat prompt_format_mt_bench() {
  return {"mt_bench", "prompt_id, category and a list prompt",
          [](const PromptFile& file) {
            return first_record_has(file, {"prompt_id", "category", "prompt"});
          },
          [](const PromptFile& file) { return prompts_of_records(file, prompt_of); }};
}

}  // namespace specdec

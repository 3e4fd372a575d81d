// question.jsonl of Spec-Bench (https://github.com/hemingkx/Spec-Bench), and of FastChat's MT-bench, which it is made
// after: messages to a chat model.
#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"

namespace specdec {

PromptFormat prompt_format_spec_bench() {
  return {"spec_bench", "question_id, category and turns",
          [](const PromptFile& file) {
            return first_record_has(file, {"question_id", "category", "turns"});
          },
          [](const PromptFile& file) {
            return prompts_of_records(
                file, [](const JsonNode& record, int) { return first_turn(record, "question_id", "turns"); });
          }};
}

}  // namespace specdec

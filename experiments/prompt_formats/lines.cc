// A prompt on each line of a text file: texts to continue.
#include <fmt/format.h>

#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"
#include "experiments/text_lines.h"

namespace specdec {
namespace {

std::vector<NamedPrompt> read(const PromptFile& file) {
  std::vector<NamedPrompt> prompts;
  for_each_line(file.text, [&](std::string_view line, int number) {
    if (!is_blank(line)) prompts.push_back({fmt::format("line-{}", number), "lines", std::string(line)});
  });
  return prompts;
}

}  // namespace

PromptFormat prompt_format_lines() {
  return {"lines", "a text to continue on each line", [](const PromptFile& file) { return !is_json(file); }, read};
}

}  // namespace specdec

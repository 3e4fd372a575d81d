// ShareGPT: conversations as lists of {"from": "human", "value": …}, of each the first thing that the user says. Those
// in which nobody asks anything are left out.
#include <fmt/format.h>

#include <algorithm>

#include "experiments/prompt_format.h"
#include "experiments/prompt_records.h"

namespace specdec {
namespace {

std::optional<NamedPrompt> prompt_of(const JsonNode& record, int number) {
  const auto id = record.find("id");
  for (const JsonNode& message : record.at("conversations").items()) {
    const std::string_view from = message.at("from").text();
    const std::string_view value = message.at("value").text();
    if ((from != "human" && from != "user") || is_blank(value)) continue;
    return NamedPrompt{id ? prompt_id(*id) : fmt::format("sharegpt-{}", number), "sharegpt", std::string(value), true};
  }
  return std::nullopt;
}

}  // namespace

PromptFormat prompt_format_sharegpt() {
  return {"sharegpt", "conversations of from and value",
          [](const PromptFile& file) { return first_record_has(file, {"conversations"}); },
          [](const PromptFile& file) { return prompts_of_records(file, prompt_of); }};
}

}  // namespace specdec

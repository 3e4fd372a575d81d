#include "experiments/prompt_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "core/error.h"
#include "experiments/text_lines.h"

namespace specdec {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

char first_character(std::string_view text) {
  const std::size_t at = text.find_first_not_of(kSpace);
  return at == text.npos ? '\0' : text[at];
}

// From the first brace to the one that closes it, or all there is if none does.
std::string_view first_object(std::string_view text) {
  text.remove_prefix(std::min(text.find('{'), text.size()));
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == '{') {
      ++depth;
    } else if (!quoted && c == '}' && --depth == 0) {
      return text.substr(0, i + 1);
    }
  }
  return text;
}

}  // namespace

bool is_blank(std::string_view text) { return first_character(text) == '\0'; }

bool is_json(const PromptFile& file) {
  const char first = first_character(file.text);
  return (first == '{' || first == '[') && !file.name.ends_with(".txt");
}

void for_each_record(const PromptFile& file, const std::function<void(const JsonNode&, int)>& see) {
  if (first_character(file.text) == '[') {
    const JsonDocument document(file.text, file.name);
    int number = 0;
    document.root().each_item([&](const JsonNode& record) { see(record, ++number); });
    return;
  }
  for_each_line(file.text, [&](std::string_view line, int number) {
    if (is_blank(line)) return;
    const JsonDocument document(line, fmt::format("{}:{}", file.name, number));
    see(document.root(), number);
  });
}

bool first_record_has(const PromptFile& file, std::initializer_list<std::string_view> keys) {
  if (!is_json(file)) return false;
  const JsonDocument document(first_object(file.text), file.name + ":1");
  const JsonNode record = document.root();
  return std::ranges::all_of(keys, [&](std::string_view key) { return record.find(key).has_value(); });
}

std::vector<NamedPrompt> prompts_of_records(const PromptFile& file,
                                            const std::function<std::optional<NamedPrompt>(const JsonNode&, int)>& of) {
  std::vector<NamedPrompt> prompts;
  for_each_record(file, [&](const JsonNode& record, int number) {
    if (auto prompt = of(record, number)) prompts.push_back(std::move(*prompt));
  });
  return prompts;
}

std::string prompt_text(const JsonNode& node) {
  if (is_blank(node.text())) throw Error("{}: is blank; expected the text of a prompt", node.where());
  return std::string(node.text());
}

std::string prompt_id(const JsonNode& node) {
  return node.is_text() ? std::string(node.text()) : fmt::to_string(node.integer(INT64_MIN, INT64_MAX));
}

NamedPrompt first_turn(const JsonNode& record, std::string_view id, std::string_view turns) {
  const std::vector<JsonNode> said = record.at(turns).items();
  if (said.empty()) throw Error("{}: is empty; expected what the user says", record.at(turns).where());
  return {prompt_id(record.at(id)), std::string(record.at("category").text()), prompt_text(said.front()), true};
}

}  // namespace specdec

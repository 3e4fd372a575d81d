// The JSON objects of a file of prompts: one on each line, or the items of one list.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/prompt_format.h"
#include "tokenizers/json_node.h"

namespace specdec {

// see(record, its number from 1); blank lines are no records, but count.
void for_each_record(const PromptFile& file, const std::function<void(const JsonNode&, int)>& see);

// Whether a file of JSON begins with an object that has all these keys. Only that object is read.
bool first_record_has(const PromptFile& file, std::initializer_list<std::string_view> keys);

// One prompt per record; none of a record that has none.
std::vector<NamedPrompt> prompts_of_records(const PromptFile& file,
                                            const std::function<std::optional<NamedPrompt>(const JsonNode&, int)>& of);

// A text that is not blank.
std::string prompt_text(const JsonNode& node);

// An id: a text or a whole number.
std::string prompt_id(const JsonNode& node);

// Of a conversation in `turns`, a list of what the user says, the first turn: the later ones need answers.
NamedPrompt first_turn(const JsonNode& record, std::string_view id, std::string_view turns);

bool is_json(const PromptFile& file);
bool is_blank(std::string_view text);

}  // namespace specdec

// Prompts: the sets of experiments/prompts/*.jsonl, which the program brings along, and files in the formats of
// prompt_formats/*.cc.
//   read_prompts("domains:code");               // a set, or one domain of it
//   read_prompts("question.jsonl");             // a file whose first record tells its format
//   read_prompts("lines:notes.md");             // a file in the format that is named
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/named_text.h"
#include "experiments/prompt_format.h"

namespace specdec {

std::span<const NamedText> prompt_files();    // the sets
std::vector<NamedPrompt> built_in_prompts();  // of losslessness and more, which every model can continue

// At least one. Throws Error that says what can be named, or names the line that is not a prompt.
std::vector<NamedPrompt> read_prompts(const std::string& spec);

// The file that such a spec names; empty if it names a set.
std::filesystem::path prompt_path(const std::string& spec);

// What is under "text" in every line. Throws Error that names the line that has none.
std::vector<std::string> read_texts(const std::filesystem::path& path);

}  // namespace specdec

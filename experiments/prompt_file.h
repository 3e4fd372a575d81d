// Prompts of experiments/prompts/*.jsonl, and whole texts of such files.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/named_text.h"

namespace specdec {

struct NamedPrompt {
  std::string id, domain, text;
};

std::span<const NamedText> prompt_files();  // that the program brings along
std::vector<NamedPrompt> built_in_prompts();

// Throws Error that names the line that is not a prompt.
std::vector<NamedPrompt> read_prompt_file(const std::filesystem::path& path);

// What is under "text" in every line. Throws as above.
std::vector<std::string> read_texts(const std::filesystem::path& path);

}  // namespace specdec

// How prompts stand in a file. One format is one file, experiments/prompt_formats/<name>.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace specdec {

struct NamedPrompt {
  std::string id, domain, text;
  bool chat = false;  // a message to a chat model, instead of a text to continue
};

struct PromptFile {
  std::string name;
  std::string_view text;
};

struct PromptFormat {
  std::string_view name, summary;
  bool (*recognises)(const PromptFile&);  // by what the first record has
  // Throws Error that names file and line (of a JSON list: the item) of what is not as expected.
  std::vector<NamedPrompt> (*read)(const PromptFile&);
};
std::span<const PromptFormat> prompt_formats();  // generated from prompt_formats/*.cc

}  // namespace specdec

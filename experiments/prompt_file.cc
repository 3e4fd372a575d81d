#include "experiments/prompt_file.h"

#include <functional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/files/json.h"
#include "core/files/mapped_file.h"

namespace specdec {
namespace {

std::string text_of(const nlohmann::json& line, const char* key, const std::string& origin) {
  if (!line.is_object() || !line.contains(key) || !line[key].is_string()) {
    throw Error("{}: no text under \"{}\"; expected {{\"{}\": \"…\", …}}", origin, key, key);
  }
  return line[key].get<std::string>();
}

// see(line, where it stands)
void for_each_line(std::string_view rest, std::string_view name,
                   const std::function<void(const nlohmann::json&, const std::string&)>& see) {
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string origin = fmt::format("{}:{}", name, number);
    const nlohmann::json line = parse_json(rest.substr(0, end), origin);
    see(line, origin);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
}

std::vector<NamedPrompt> prompts_of(std::string_view text, std::string_view name) {
  std::vector<NamedPrompt> prompts;
  for_each_line(text, name, [&](const nlohmann::json& line, const std::string& origin) {
    prompts.push_back({text_of(line, "id", origin), text_of(line, "domain", origin), text_of(line, "prompt", origin)});
  });
  return prompts;
}

}  // namespace

std::vector<NamedPrompt> built_in_prompts() {
  std::vector<NamedPrompt> all;
  for (const NamedText& file : prompt_files()) {
    for (NamedPrompt& prompt : prompts_of(file.text, file.name)) all.push_back(std::move(prompt));
  }
  return all;
}

std::vector<NamedPrompt> read_prompt_file(const std::filesystem::path& path) {
  return prompts_of(MappedFile(path).text(), path.string());
}

std::vector<std::string> read_texts(const std::filesystem::path& path) {
  std::vector<std::string> texts;
  const MappedFile file(path);
  for_each_line(file.text(), path.string(), [&](const nlohmann::json& line, const std::string& origin) {
    texts.push_back(text_of(line, "text", origin));
  });
  return texts;
}

}  // namespace specdec

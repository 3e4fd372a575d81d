#include "experiments/prompt_file.h"

#include <string_view>

#include "core/error.h"
#include "core/files/json.h"
#include "core/files/mapped_file.h"

namespace specdec {
namespace {

std::string text_of(const nlohmann::json& line, const char* key, const std::string& origin) {
  if (!line.is_object() || !line.contains(key) || !line[key].is_string()) {
    throw Error("{}: no text under \"{}\"; expected {{\"id\": …, \"domain\": …, \"prompt\": …}}", origin, key);
  }
  return line[key].get<std::string>();
}

}  // namespace

std::vector<NamedPrompt> read_prompt_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::vector<NamedPrompt> prompts;
  std::string_view rest = file.text();
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string origin = fmt::format("{}:{}", path.string(), number);
    const nlohmann::json line = parse_json(rest.substr(0, end), origin);
    prompts.push_back({text_of(line, "id", origin), text_of(line, "domain", origin), text_of(line, "prompt", origin)});
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return prompts;
}

}  // namespace specdec

#include "cli/read_files.h"

#include <string_view>

namespace specdec {

std::vector<std::filesystem::path> files_read_for(const DrafterSpec& drafter, const EngineOptions& engine) {
  std::vector<std::filesystem::path> files;
  constexpr std::string_view kStatic = "static:";
  if (engine.expert_policy.starts_with(kStatic)) files.emplace_back(engine.expert_policy.substr(kStatic.size()));
  for (const char* option : {"text", "corpus"}) {
    if (const auto found = drafter.options.find(option); found != drafter.options.end())
      files.emplace_back(found->second);
  }
  return files;
}

}  // namespace specdec

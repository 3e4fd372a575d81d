#include "cli/read_files.h"

#include <string_view>

#include "experiments/drafter_files.h"

namespace specdec {

std::vector<std::filesystem::path> files_read_for(const DrafterSpec& drafter, const EngineOptions& engine) {
  std::vector<std::filesystem::path> files;
  constexpr std::string_view kStatic = "static:";
  if (engine.expert_policy.starts_with(kStatic)) files.emplace_back(engine.expert_policy.substr(kStatic.size()));
  for (const std::string& file : files_of(drafter)) files.emplace_back(file);
  return files;
}

}  // namespace specdec

#include "experiments/drafter_files.h"

namespace specdec {

std::vector<std::string> files_of(const DrafterSpec& drafter) {
  std::vector<std::string> files;
  for (const char* option : {"text", "corpus"}) {
    if (const auto found = drafter.options.find(option); found != drafter.options.end()) files.push_back(found->second);
  }
  return files;
}

}  // namespace specdec

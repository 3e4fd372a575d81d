#include "experiments/known_models.h"

#include <fmt/ranges.h>

#include <filesystem>

#include "core/error.h"

namespace specdec {

Inspection inspect_known(const InspectOptions& options) {
  const std::string& model = options.model;
  std::vector<std::string_view> names;
  for (const NamedText& config : model_configs()) {
    if (config.name == model && !std::filesystem::exists(model)) {
      return inspect(ConfigReader(config.text, std::string(config.name)), options);
    }
    names.push_back(config.name);
  }
  try {
    return inspect(options);
  } catch (const Error& error) {
    if (std::filesystem::exists(model)) throw;
    throw UsageError("{}; known without files: {}", error.what(), fmt::join(names, ", "));
  }
}

}  // namespace specdec

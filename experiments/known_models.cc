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

std::string model_name(const std::string& model) {
  const std::filesystem::path path = std::filesystem::path(model).lexically_normal();
  if (!std::filesystem::exists(path)) return model;
  const bool of_directory = path.filename() == "config.json" && path.has_parent_path();
  return of_directory ? path.parent_path().filename().string() : path.stem().string();
}

}  // namespace specdec

#include "core/arch.h"

#include <algorithm>

#include "core/contradictions.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/inventory.h"

namespace specdec {
namespace {

void add_tokens(std::vector<TokenId>& tokens, const std::vector<int>& more) {
  for (const int id : more) {
    if (std::find(tokens.begin(), tokens.end(), TokenId{id}) == tokens.end()) tokens.push_back(TokenId{id});
  }
}

ModelInfo describe(const ConfigReader& config) {
  const Architecture& architecture = find_architecture(config);
  ModelInfo info = architecture.describe(config);
  for (const std::string& contradiction : contradictions(config)) throw Error("{}", contradiction);
  info.architecture = architecture.name;
  for (const ConfigReader& level : {config, text_part(config)}) {
    add_tokens(info.eos, level.integers("eos_token_id"));
    const std::vector<int> bos = level.integers("bos_token_id");
    if (!bos.empty()) info.bos = TokenId{bos.front()};
  }
  return info;
}

ModelInfo describe(const std::filesystem::path& path, const ConfigReader& config) {
  ModelInfo info = describe(config);
  info.path = path.string();
  const std::filesystem::path generation = path / "generation_config.json";
  if (std::filesystem::exists(generation)) {
    const ConfigReader more = ConfigReader::of_file(generation);
    for (const std::string& foreign : foreign_ids(more, "eos_token_id", info.vocab)) throw Error("{}", foreign);
    add_tokens(info.eos, more.integers("eos_token_id"));
  }
  return info;
}

}  // namespace

ConfigReader read_config(const std::filesystem::path& path) {
  const ConfigText config = checkpoint_kind(path).config(path);
  return ConfigReader(config.json, config.origin);
}

const Architecture& find_architecture(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  std::vector<std::string_view> names;
  for (const Architecture& architecture : architectures()) {
    if (architecture.name == type) return architecture;
    names.push_back(architecture.name);
  }
  for (const Architecture& architecture : architectures()) {  // its text model in a file of its own
    if (has_inventory(type) && type == fmt::format("{}_text", architecture.name)) return architecture;
  }
  throw Error("{}: model_type is '{}'; this version runs: {}", config.origin(), type, fmt::join(names, ", "));
}

ModelInfo parse_config(std::string_view json, const std::string& origin) {
  return describe(ConfigReader(json, origin));
}

ModelInfo describe_model(const std::filesystem::path& path) { return describe(path, read_config(path)); }

std::unique_ptr<Model> load_model(const std::filesystem::path& path, Engine& engine) {
  const ConfigText text = checkpoint_kind(path).config(path);
  const ConfigReader config(text.json, text.origin);
  ModelInfo info = describe(path, config);
  WeightFile file(path, &engine.pool());
  info.hash = file.hash(text.json);
  return find_architecture(config).load(config, std::move(file), std::move(info), engine);
}

void check_model(const std::filesystem::path& path, Engine& engine) {
  const ConfigReader config = read_config(path);
  ModelInfo info = describe(path, config);
  find_architecture(config).load(config, WeightFile::unpacked(path), std::move(info), engine);
}

}  // namespace specdec

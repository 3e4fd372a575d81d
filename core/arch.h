// Architectures. One architecture is one file, core/arch/<name>.cc: config keys, tensors with shapes, forward.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "core/config.h"
#include "core/model.h"
#include "core/weights.h"

namespace specdec {

struct Architecture {
  std::string_view name, summary;  // name is config.json's model_type
  ModelInfo (*describe)(const ConfigReader& config);
  std::unique_ptr<Model> (*load)(const ConfigReader& config, WeightFile file, ModelInfo info, Engine& engine);
};

std::span<const Architecture> architectures();

// The architecture that config.json asks for. Throws Error naming the known ones.
const Architecture& find_architecture(const ConfigReader& config);

// What the text of a config.json means. `origin` names it in errors.
ModelInfo parse_config(std::string_view json, const std::string& origin);

// What a checkpoint is, without its weights: its config and, in a directory, generation_config.json.
ModelInfo describe_model(const std::filesystem::path& path);

// Throws the Error that loading it would end with, but reads no more than names and norms, and packs nothing.
void check_model(const std::filesystem::path& path, Engine& engine);

// The config of a checkpoint, in the words of transformers.
ConfigReader read_config(const std::filesystem::path& path);

}  // namespace specdec

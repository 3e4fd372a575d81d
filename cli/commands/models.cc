// specdec models: what is here, what the engine can load, and why not.
#include <fmt/format.h>

#include <filesystem>

#include "cli/command.h"
#include "core/arch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/model.h"
#include "experiments/checkpoint_role.h"
#include "tokenizers/tokenizer.h"

namespace specdec {
namespace {

std::string tokenizer_text(const std::filesystem::path& directory) {
  try {
    const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(directory);
    return tokenizer ? fmt::format("tokenizer of {} ids", tokenizer->size()) : "no tokenizer";
  } catch (const Error& error) {
    return fmt::format("tokenizer does not load: {}", error.what());
  }
}

std::string shape_text(const ModelInfo& info) {
  std::string text = fmt::format("{} layers", info.layers);
  if (info.experts > 0) text += fmt::format(", {} experts ({} per token)", info.experts, info.experts_per_token);
  if (info.mtp_layers > 0) text += ", MTP head";
  return fmt::format("{}, context {}", text, info.context);
}

// One line of the list. That a model does not load is what the list is for, not a failure of the command.
void print_line(const LocalModel& model, Engine& engine) {
  try {
    const CheckpointRole role = recognise(read_config(model.directory), nullptr).role;
    if (is_head(role)) {
      fmt::print("  {:<32} {}: no model by itself, but one to guess with\n", model.id, name_of(role));
      return;
    }
    const std::unique_ptr<Model> loaded = load_model(model.directory, engine);
    fmt::print("  {:<32} {:<10} {:>9.1f} MB  {}; {}\n", model.id, loaded->info().architecture,
               static_cast<double>(loaded->bytes().total) / 1e6, shape_text(loaded->info()),
               tokenizer_text(model.directory));
  } catch (const Error& error) {
    fmt::print("  {:<32} does not load: {}\n", model.id, error.what());
  }
}

void print_list(std::string_view title, const std::vector<LocalModel>& models, Engine& engine) {
  fmt::print("{}\n", title);
  if (models.empty()) fmt::print("  none\n");
  for (const LocalModel& model : models) print_line(model, engine);
}

class Models : public Job {
 public:
  std::vector<Option> options() override { return {}; }

  int run() override {
    Engine engine({.threads = 1});
    print_list(fmt::format("shipped, in {}", shipped_models_directory().string()), shipped_models(), engine);
    print_list(fmt::format("\nHugging Face cache, in {}", hf_cache_directory().string()), cached_models(), engine);
    return 0;
  }
};

}  // namespace

Command command_models() {
  return {"models", "list the models that are here, and which of them load", make_job<Models>};
}

}  // namespace specdec

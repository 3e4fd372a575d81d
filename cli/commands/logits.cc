// specdec logits: what a model says after every position of given ids. For comparing engines; needs no tokenizer.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "cli/command.h"
#include "cli/engine_options.h"
#include "core/batch.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/files/json.h"
#include "core/files/mapped_file.h"
#include "core/files/output_file.h"
#include "core/files/safetensors.h"
#include "core/model.h"

namespace specdec {
namespace {

constexpr std::size_t kRowsPerPass = 256;

// Lists of ids, all of one length.
std::vector<std::vector<TokenId>> read_lists(const std::string& path, const ModelInfo& info) {
  const nlohmann::json json = parse_json(MappedFile(path).text(), path);
  if (!json.is_array() || json.empty()) {
    throw Error("{}: expected a list of lists of token ids, such as [[1, 2], [3, 4]]", path);
  }
  std::vector<std::vector<TokenId>> lists;
  for (const nlohmann::json& list : json) {
    const std::size_t number = lists.size();
    if (!list.is_array() || list.empty()) throw Error("{}: item {} is not a list of token ids", path, number);
    if (list.size() != json.front().size()) {
      throw Error("{}: list {} has {} ids, but list 0 has {}; expected one length for all", path, number, list.size(),
                  json.front().size());
    }
    std::vector<TokenId>& ids = lists.emplace_back();
    for (const nlohmann::json& id : list) {
      if (!id.is_number_integer()) throw Error("{}: [{}][{}] is no whole number", path, number, ids.size());
      const auto value = id.get<std::int64_t>();
      if (id > info.vocab - 1 || id < 0) {
        throw Error("{}: [{}][{}] is {}; {} has ids 0 to {}", path, number, ids.size(), value, info.path,
                    info.vocab - 1);
      }
      ids.push_back(TokenId{static_cast<std::int32_t>(value)});
    }
  }
  if (lists.front().size() > static_cast<std::size_t>(info.context)) {
    throw Error("{}: lists of {} ids; {} can see {}", path, lists.front().size(), info.path, info.context);
  }
  return lists;
}

void append_logits(const Model& model, std::span<const TokenId> tokens, std::vector<float>& logits) {
  const std::unique_ptr<State> state = model.new_state(static_cast<int>(tokens.size()));
  for (std::size_t done = 0; done < tokens.size(); done += kRowsPerPass) {
    const auto part = tokens.subspan(done, std::min(kRowsPerPass, tokens.size() - done));
    const Output out = model.forward(chain_of(part), *state, {});
    const float* end = out.logits.data() + out.logits.size();
    const float* bad = std::find_if_not(out.logits.data(), end, [](float logit) { return std::isfinite(logit); });
    if (bad != end) {
      throw Error("{}: the logit of token {} is {}; is the head of the file damaged?", model.info().path,
                  (bad - out.logits.data()) % out.logits.cols(), *bad);
    }
    logits.insert(logits.end(), out.logits.data(), end);
    state->commit(whole_chain(static_cast<int>(part.size())));
  }
}

class Logits : public Job {
 public:
  std::vector<Option> options() override {
    return with_engine_options(
        {{"model", &model_, "a directory, a .gguf file, a shipped name or a hub id in the local cache",
          Option::Presence::required},
         {"tokens", &tokens_, "a JSON file: a list of token-id lists of one length", Option::Presence::required},
         {"out", &out_, "the safetensors file to write: logits (lists, positions, vocabulary), float32",
          Option::Presence::required}},
        engine_);
  }

  int run() override {
    { OutputFile can_be_written(out_); }
    Engine engine(engine_);
    const std::unique_ptr<Model> model = load_model(resolve_model(model_), engine);
    check_no_input(out_, std::array<std::filesystem::path, 2>{model->info().path, tokens_});
    const std::vector<std::vector<TokenId>> lists = read_lists(tokens_, model->info());
    std::vector<float> logits;
    logits.reserve(lists.size() * lists.front().size() * static_cast<std::size_t>(model->info().vocab));
    for (const auto& list : lists) append_logits(*model, list, logits);

    const StoredTensor tensor{
        "logits",
        DType::f32,
        {static_cast<std::int64_t>(lists.size()), static_cast<std::int64_t>(lists.front().size()), model->info().vocab},
        reinterpret_cast<const std::byte*>(logits.data()),
        logits.size() * sizeof(float)};
    write_safetensors(out_, std::span(&tensor, 1));
    fmt::print("{}: logits ({}, {}, {}) of model {}\n", out_, tensor.shape[0], tensor.shape[1], tensor.shape[2],
               model->info().hash);
    return 0;
  }

 private:
  std::string model_, tokens_, out_;
  EngineOptions engine_;
};

}  // namespace

Command command_logits() { return {"logits", "write the logits of a model for given token ids", make_job<Logits>}; }

}  // namespace specdec

// specdec predict: whether speculation would pay on a machine that is not here.
#include "experiments/predict.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/command.h"
#include "cli/number_list.h"
#include "cli/predict_picture.h"
#include "cli/predict_report.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "core/memory.h"

namespace specdec {
namespace {

class Predict : public Job {
 public:
  std::vector<Option> options() override {
    using Presence = Option::Presence;
    return {
        {"target", &predict_.target,
         "a config.json, a checkpoint, a hub id in the local cache, a known model such as glm-5.2, or a file of sizes",
         Presence::required},
        {"hardware", &predict_.hardware, "a machine such as m3-ultra, h200 or rtx-4090, or a file like theirs",
         Presence::required},
        {"engine", &predict_.engine,
         "what runs there, such as vllm, sglang, tensorrt-llm, omlx, or a file; the machine's own if not given"},
        {"machines", &predict_.machines, "how many of them"},
        {"parallel", &predict_.parallel, "how several share the work: tensor, expert or pipeline"},
        {"link", &predict_.link,
         "what connects them, such as thunderbolt5-rdma, or a file; the machine's own if not given"},
        {"set", &predict_.set, "figures of the machine that you know better, such as row_s=1e-4 pass_s=0.002"},
        {"memory", &memory_, "usable memory of one machine, such as 460GiB"},
        {"experts", &predict_.experts, "weight format of the routed experts; as the rest if not given"},
        {"rest", &predict_.rest, "and of all other matrices: bf16, mxfp4, nvfp4, affine4g64, fp8, …"},
        {"context", &predict_.context, "tokens that the cache holds"},
        {"overlap", &predict_.overlap,
         "how rows share experts: published, uniform, a measured curve (demo-moe) or its .json file, or the trace of a "
         "run"},
        {"unions", &unions_, "measured instead: distinct experts of a layer at 1, 2, … rows, such as 8,14.1,19.9"},
        {"draft", &predict_.draft,
         "none, ngram, mtp, eagle, eagle:CONFIG, small:CONFIG, block:CONFIG (all guesses in one pass)"},
        {"draft-experts", &predict_.draft_experts, "weight format of the drafter's experts; the target's for mtp"},
        {"draft-rest", &predict_.draft_rest, "and of its other matrices"},
        {"draft-ms", &draft_ms_, "measured time of one guess instead, in milliseconds"},
        {"plain", &plain_,
         "measured plain decoding there, tokens/s: what the terms do not explain is told and carried on"},
        {"k", &guesses_, "numbers of guesses, such as 3 or 1,2,4 or 1..8"},
        {"acceptance", &acceptance_, "chance that a guess is accepted when all before it were"},
        {"accept-by-position", &by_position_, "these chances for the 1st guess, the 2nd, …, such as 0.8,0.75,0.6"},
        {"accept-prefix", &prefixes_,
         "shares of steps that accept at least 1, 2, … guesses (vLLM's rates by position)"},
        {"tokens-per-pass", &tokens_, "mean tokens that a pass gives at the longest k"},
        {"hit-rate", &hit_rate_, "experts are read from disk; so many of those wanted are found in memory (0 to 1)"},
        {"calibrate", &predict_.calibrate, "fit the machine to measured points: a JSON file (docs/predict.md)"},
        {"save-hardware", &save_, "write the machine as priced, with --set and --calibrate, to this file"},
        {"svg", &svg_, "a picture of what steps cost and bring, by number of guesses"},
        {"json", &json_, "write everything that was found to this file"}};
  }

  int run() override {
    if (!acceptance_.empty() && !by_position_.empty()) {
      throw UsageError("--acceptance and --accept-by-position say the same; expected one of them");
    }
    predict_.acceptance = parse_numbers(acceptance_.empty() ? "--accept-by-position" : "--acceptance",
                                        acceptance_.empty() ? by_position_ : acceptance_);
    predict_.prefixes = parse_numbers("--accept-prefix", prefixes_);
    predict_.unions = parse_numbers("--unions", unions_);
    predict_.tokens_per_pass = one("--tokens-per-pass", tokens_);
    predict_.hit_rate = one("--hit-rate", hit_rate_);
    predict_.guesses = parse_range("--k", guesses_);
    if (const std::optional<double> ms = one("--draft-ms", draft_ms_)) predict_.draft_s = *ms / 1e3;
    if (const std::optional<double> rate = one("--plain", plain_)) {
      if (*rate <= 0) throw UsageError("--plain {}: expected more than 0 tokens/s", plain_);
      predict_.plain_s = 1 / *rate;
    }
    if (memory_) predict_.set.push_back(fmt::format("usable_memory_bytes={}", parse_bytes(*memory_, "--memory")));
    check_outputs({json_, save_, svg_},
                  std::array<std::filesystem::path, 4>{predict_.target, predict_.hardware, predict_.overlap,
                                                       predict_.calibrate.value_or("")});
    const Prediction found = predict(predict_);
    fmt::print("{}", summary_of(found));
    if (json_) write_file(*json_, json_of(found));
    if (svg_) write_file(*svg_, picture_of(found));
    if (save_) write_file(*save_, json_of(found.scenario.machine));
    return 0;
  }

 private:
  static std::optional<double> one(std::string_view option, const std::string& text) {
    const std::vector<double> numbers = parse_numbers(option, text);
    if (numbers.size() > 1) throw UsageError("{} {}: expected one number", option, text);
    return numbers.empty() ? std::nullopt : std::optional(numbers.front());
  }

  PredictOptions predict_;
  std::string acceptance_, by_position_, prefixes_, tokens_, unions_, hit_rate_, draft_ms_, plain_;
  std::string guesses_ = "1..8";
  std::optional<std::string> memory_, save_, svg_, json_;
};

}  // namespace

Command command_predict() {
  return {"predict", "price speculation on a machine that is not here, of a model whose weights are not here",
          make_job<Predict>};
}

}  // namespace specdec

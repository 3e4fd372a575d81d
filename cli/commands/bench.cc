// specdec bench: what passes of a model cost on this machine, and how far from its limits they are.
#include <fmt/format.h>

#include <algorithm>

#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/number_list.h"
#include "cli/prompt.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "experiments/pass_meter.h"

namespace specdec {
namespace {

class Bench : public Job {
 public:
  std::vector<Option> options() override {
    return with_engine_options(
        {{"model", &model_, "a directory, a .gguf file, a shipped name or a hub id in the local cache"},
         {"widths", &widths_, "rows of the passes, ascending; ratios are to the first"},
         {"prefill-steps", &steps_, "prompt tokens per pass"},
         {"context", &context_, "tokens that a pass looks back at"},
         {"json", &json_, "write everything that was found to this file"}},
        engine_);
  }

  int run() override {
    ModelBenchOptions bench;
    bench.widths = positive("--widths", widths_);
    bench.prefill_steps = positive("--prefill-steps", steps_);
    if (!std::ranges::is_sorted(bench.widths)) throw UsageError("--widths {}: expected an ascending list", widths_);
    if (context_ < 1) throw UsageError("--context {}: expected 1 or more", context_);
    if (json_) check_writable(*json_);

    Engine engine(engine_);
    const LoadedTarget target = load_target(model_, engine);
    const std::vector<TokenId> text = text_of(target, context_ + bench.widths.back(), engine);
    BenchReport report{.origin = origin_of("bench", options(), engine),
                       .target = target,
                       .rows = target.tokenizer != nullptr ? "text" : "random tokens"};
    report.bench = bench_model(*target.model, text, bench, engine);
    fmt::print("{}", summary_of(report));
    if (json_) write_file(*json_, json_of(report));
    return 0;
  }

 private:
  static std::vector<int> positive(std::string_view option, const std::string& text) {
    std::vector<int> numbers = parse_whole_numbers(option, text);
    if (std::ranges::min(numbers) < 1) throw UsageError("{} {}: expected numbers of at least 1", option, text);
    return numbers;
  }

  // The built-in prompt and how the model continues it; random tokens if it has no tokenizer.
  static std::vector<TokenId> text_of(const LoadedTarget& target, int count, Engine& engine) {
    if (count > target.model->info().context) {
      throw UsageError("--context and --widths together are {} tokens; {} can see {}", count, target.name,
                       target.model->info().context);
    }
    if (target.tokenizer == nullptr) return random_tokens(*target.model, count, 1);
    std::vector<TokenId> text = encode_prompt(target, built_in_prompt());
    const auto wanted = static_cast<std::size_t>(count);
    if (text.size() < wanted) {
      const TrialOptions options{.max_tokens = static_cast<int>(wanted - text.size())};
      const std::vector<TokenId> more = run_trial(target, no_drafter(), text, options, engine).generated;
      text.insert(text.end(), more.begin(), more.end());
    }
    text.resize(wanted);
    return text;
  }

  std::string model_ = "demo-moe";
  std::string widths_ = "1,2,4,8,16";
  std::string steps_ = "16,64,256";
  int context_ = 256;
  EngineOptions engine_;
  std::optional<std::string> json_;
};

}  // namespace

Command command_bench() {
  return {"bench", "measure what passes of a model cost here, and what bounds them", make_job<Bench>};
}

}  // namespace specdec

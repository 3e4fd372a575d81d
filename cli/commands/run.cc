// specdec run: one text with guesses, the same without, and what the difference was.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <utility>

#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/interrupt.h"
#include "cli/number_list.h"
#include "cli/prompt.h"
#include "cli/read_files.h"
#include "cli/run_picture.h"
#include "cli/run_report.h"
#include "cli/text_stream.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "core/kinds.h"
#include "experiments/prompt_file.h"
#include "verify/rule.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

std::vector<TokenId> parse_tokens(const std::string& text) {
  std::vector<TokenId> tokens;
  for (const int id : parse_whole_numbers("--prompt-tokens", text)) tokens.push_back(TokenId{id});
  return tokens;
}

class Run : public Job {
 public:
  std::vector<Option> options() override {
    return with_engine_options(
        {{"target", &target_name_,
          "the model to speed up: a directory, a .gguf file, a shipped name or a hub id in the local cache"},
         {"draft", &draft_,
          "who guesses: KIND[:PATH][,key=value…] with KIND mtp, eagle, small, self, ngram, suffix, oracle, wrong, "
          "replay or none, or a checkpoint"},
         {"prompt", &prompt_, "the text to continue; else standard input, else a built-in one"},
         {"prompt-file", &prompt_file_, "a file with the text to continue"},
         {"chat", &chat_, "the text is a message, which the model's chat template wraps; the model answers"},
         {"system", &system_, "with --chat: the system's message before it"},
         {"raw", &raw_, "the text is continued as it is: what happens without --chat, too"},
         {"prompt-tokens", &prompt_tokens_, "the ids to continue, such as 1,2,3"},
         {"max-tokens", &max_tokens_, "tokens to generate at most"},
         {"k", &k_, "guesses per pass (3 if not given); k=… of --draft goes first; with --always-reject also a list"},
         {"always-reject", &always_reject_,
          "take no guess, and measure how many tokens per pass break even with k = 1..8, or those of --k"},
         {"rule", &rule_,
          "which guesses stay: sampled, block, traversal, k-seq, matched or target-only; lossy: typical, relaxed"},
         {"verify-experts", &verify_experts_,
          "lossy: of a pass with guesses each layer reads only the so many experts that its rows weigh most"},
         {"temperature", &sampler_.temperature, "0 always takes the likeliest token"},
         {"top-k", &sampler_.top_k, "only the so many likeliest tokens; 0 = all"},
         {"top-p", &sampler_.top_p, "only the likeliest tokens that together reach this probability"},
         {"min-p", &sampler_.min_p, "only tokens with at least this share of the likeliest one's probability"},
         {"seed", &seed_, "of the random numbers"},
         {"prefill-step", &prefill_step_, "prompt tokens per pass"},
         {"ignore-eos", &ignore_eos_, "go on after the end of the text"},
         {"text-only", &text_only_, "print the generated text and nothing else"},
         {"json", &json_, "write everything that was found to this file"},
         {"trace", &trace_, "write every step to this file, one JSON object per line"},
         {"record", &record_,
          "write every step to this file with the laws of all guesses and of the target, for specdec replay"},
         {"record-top", &record_top_, "of each law only the so many likeliest tokens, and the rest as one; 0 = all"},
         {"svg", &svg_, "write a picture of the experts that passes woke, by layer, to this file"}},
        engine_);
  }

  int run() override {
    check();
    Engine engine(engine_);
    const LoadedTarget target = load_target(target_name_, engine);
    note_foreign_tokenizer(target);
    if (svg_ && target.model->info().experts == 0) {
      throw UsageError("--svg: {} has no routed experts, which are what the picture shows", target.name);
    }
    if (verify_experts_) leaves_out_experts(*target.model, *verify_experts_);
    if (record_top_ > target.model->info().vocab) {
      throw UsageError("--record-top {}: {} has {} tokens; expected fewer, and 0 keeps all", record_top_, target.name,
                       target.model->info().vocab);
    }
    const std::optional<int> depth = depths_.empty() ? std::nullopt : std::optional(depths_.back());
    const LoadedDrafter drafter = load_drafter(draft_, depth, target, engine);
    if (drafter.recognised) {
      note("--draft {} is a {} model of {} layers: the drafter is {}:{}", draft_, drafter.recognised->architecture,
           drafter.recognised->layers, drafter.spec.kind, drafter.spec.path);
    }
    if (drafter.probe) {
      note("{}", text_of(*drafter.probe));
    } else if (drafter.head != nullptr) {
      note("--draft {} is {}", draft_, drafter.head->about());
    }
    const std::string draft_model = drafter.model != nullptr ? drafter.model->info().path : "";
    const std::vector<fs::path> inputs{target.model->info().path, draft_model, prompt_file_.value_or("")};
    for (const auto& path : {json_, trace_, record_, svg_}) {
      if (path) check_no_input(*path, inputs);
    }
    const std::vector<TokenId> prompt = read_prompt(target);
    const TrialOptions trial_options = trial_options_for(target, prompt);

    const auto colours = text_only_ ? TextStream::Colours::off : TextStream::colours_for(stdout);
    TextStream stream(target, trial_options.eos, colours, stdout);
    stream.prompt(prompt, text_only_ ? TextStream::Show::nothing : TextStream::Show::text);
    const Interrupt interrupt;
    const auto show = [&](const StepRecord& record) {
      stream.step(record);
      return interrupt.came() ? Continue::no : Continue::yes;
    };
    Recorder recorder({.top = record_top_, .temperature = sampler_.temperature});
    TrialOptions first_options = trial_options;
    if (record_) {
      first_options.on_pass = [&](const DraftTree& tree, const MatView& logits) { recorder.pass(tree, logits); };
    }
    Trial first = run_trial(target, drafter, prompt, first_options, engine, show);
    std::optional<Trial> recorded;
    if (record_) recorded = first;
    stream.finish();
    if (text_only_ && !make_rule(rule_).lossless) note("rule {} is lossy: the text is not the target's", rule_);
    if (text_only_ && !json_ && !trace_ && !record_ && !svg_) return 0;

    RunReport report{.origin = origin_of("run", options(), engine),
                     .target = target,
                     .drafter = drafter,
                     .trial_options = trial_options,
                     .prompt = read_.text,
                     .prompt_source = std::string(read_.source),
                     .prompt_ids = prompt,
                     .chat_date = chat_date_,
                     .text = text_after(target, prompt, first.generated, trial_options.eos),
                     .ending = first.ending};
    // A Ctrl-C that ended the text was heard; one that came since ends the repeats.
    report.trials = repeat_in_pairs(std::move(first), target, drafter, prompt, trial_options, engine, [&] {
      return interrupt.came() && report.ending != Ending::none ? Continue::no : Continue::yes;
    });
    if (always_reject_) {
      report.break_even = measure_break_even(target, drafter, depths_, prompt, report.trial_options, engine, [&] {
        return interrupt.came() && report.ending != Ending::none ? Continue::no : Continue::yes;
      });
    }
    report.limit_facts = machine_facts(
        report.origin.machine, target.model->bytes().total + report.trials.guessed.drafter_weight_bytes, engine.pool());
    count_figures(report);

    if (!text_only_) fmt::print("\n\n{}", summary_of(report));
    std::fflush(stdout);
    if (json_) write_file(*json_, json_of(report));
    if (trace_) write_file(*trace_, trace_of(report));
    if (svg_) write_file(*svg_, picture_of(report));
    if (record_) {
      report.trials.guessed = *recorded;
      write_file(*record_, trace_of(report, &recorder));
    }
    if (report.identical == false || (report.break_even && !report.break_even->identical)) {
      throw Error("the text differs from plain decoding: this is a bug of specdec");
    }
    return 0;
  }

 private:
  // Rows of the model that the tokenizer has no ids for may be padding, or the tokenizer another model's: how many they
  // are tells, and its end of text.
  void note_foreign_tokenizer(const LoadedTarget& target) const {
    if (target.tokenizer == nullptr) return;
    const int ids = target.tokenizer->size();
    const int rows = target.model->info().vocab;
    if (ids < rows - rows / 8) {
      note("the tokenizer has {} ids, the model {}: more than padding is missing; is it the model's tokenizer?", ids,
           rows);
    }
    const std::vector<TokenId>& eos = target.model->info().eos;
    const std::optional<TokenId> of_text = target.tokenizer->role("eos");
    if (!of_text || eos.empty() || std::ranges::find(eos, *of_text) != eos.end()) return;
    note("a text of this tokenizer ends with id {}, one of the model with id {}: is it the model's tokenizer?",
         index(*of_text), index(eos.front()));
  }

  template <typename... Args>
  void note(fmt::format_string<Args...> text, Args&&... args) const {
    fmt::print(stderr, "specdec: note: {}\n", fmt::format(text, std::forward<Args>(args)...));
  }

  // Everything that is wrong by itself, before anything is loaded.
  void check() {
    sampler_.check();
    make_rule(rule_);
    choose_depths();
    if (verify_experts_ && *verify_experts_ < 1) {
      throw UsageError("--verify-experts {}: expected 1 or more", *verify_experts_);
    }
    if (verify_experts_ && always_reject_) {
      throw UsageError("--verify-experts and --always-reject are both given; expected one of them");
    }
    if (record_top_ < 0) throw UsageError("--record-top {}: expected 0 (all) or more", record_top_);
    if (record_top_ > 0 && sampler_.top_p < 1) {
      throw UsageError(
          "--record-top {} and --top-p {}: the likeliest tokens cannot tell which reach top-p; expected one",
          record_top_, sampler_.top_p);
    }
    if (record_top_ > 0 && !record_) throw UsageError("--record-top is given, but no --record FILE");
    if (max_tokens_ < 1) throw UsageError("--max-tokens {}: expected 1 or more", max_tokens_);
    if (prefill_step_ < 1) throw UsageError("--prefill-step {}: expected 1 or more", prefill_step_);
    if (chat_ && raw_) throw UsageError("--chat and --raw are both given; expected one of them");
    if (chat_ && prompt_tokens_) throw UsageError("--chat and --prompt-tokens are both given; expected one of them");
    if (system_ && !chat_) throw UsageError("--system is given, but no --chat");
    if (prompt_tokens_ && (prompt_ || prompt_file_)) {
      throw UsageError("--prompt-tokens and a text to continue are both given; expected one of them");
    }
    check_outputs({json_, trace_, record_, svg_}, files_read_for(parse_drafter_spec(draft_), engine_));
    if (always_reject_ && rule_ != "sampled") {
      throw UsageError("--rule {} and --always-reject are both given; expected one of them", rule_);
    }
  }

  // The last of them is that of the text.
  void choose_depths() {
    DrafterSpec spec = parse_drafter_spec(draft_);
    const bool guesses = spec.kind != no_drafter().spec.kind;
    if (always_reject_ && !guesses) {
      throw UsageError("--always-reject: --draft {} makes no guess that could be rejected", draft_);
    }
    if (k_) {
      check_no_tree(spec, *k_);
      depths_ = parse_range("--k", *k_);
    } else if (always_reject_) {
      depths_ = parse_range("--k", "1..8");
    }
    if (guesses && spec.options.contains("k")) depths_ = {take_budget(spec, {}).depth};
    if (depths_.size() > 1 && !always_reject_) {
      throw UsageError("--k {}: expected one number; several are for --always-reject", *k_);
    }
    for (const int depth : depths_) {
      if (guesses) check_depth(depth);
    }
  }

  std::vector<TokenId> read_prompt(const LoadedTarget& target) {
    if (prompt_tokens_) {
      read_ = {*prompt_tokens_, "--prompt-tokens"};
      return parse_tokens(*prompt_tokens_);
    }
    if (target.tokenizer != nullptr || prompt_ || prompt_file_) read_ = choose_prompt(prompt_, prompt_file_);
    if (chat_) return read_message(target);
    if (!raw_ && target.tokenizer != nullptr && target.tokenizer->chat().any()) {
      note("{} has a chat template: --chat asks it, --raw continues the text without this note", target.name);
    }
    return encode_prompt(target, read_.text);
  }

  std::vector<TokenId> read_message(const LoadedTarget& target) {
    if (read_.source == "built in") read_.text = read_prompts("chat:stem").front().text;
    if (read_.text.ends_with('\n')) read_.text.pop_back();  // that ends a line of a file or of echo
    try {
      const std::time_t now = std::time(nullptr);
      ChatPrompt prompt = encode_message(target, system_, read_.text, now);
      if (tells_date(target.tokenizer->chat())) chat_date_ = utc_text(now);
      read_.text = std::move(prompt.text);
      return std::move(prompt.tokens);
    } catch (const Error& error) {
      throw Error("{}; --raw instead of --chat continues the text without a template", error.what());
    }
  }

  TrialOptions trial_options_for(const LoadedTarget& target, std::span<const TokenId> prompt) const {
    TrialOptions trial{sampler_, seed_, max_tokens_, prefill_step_, ignore_eos_ ? std::vector<TokenId>{} : target.eos};
    trial.rule = always_reject_ ? "always-reject" : rule_;
    trial.verify_experts = verify_experts_.value_or(0);
    trial.expert_events = trace_.has_value() || record_.has_value();
    const std::int64_t context = target.model->info().context;
    const std::int64_t room = context + 1 - static_cast<std::int64_t>(prompt.size());
    if (room < 1) {
      throw Error("the prompt has {} tokens, but {} can see only {}; give a shorter prompt", prompt.size(), target.name,
                  context);
    }
    if (max_tokens_ > room) {
      note("--max-tokens {}: the context of {} tokens leaves room for {}", max_tokens_, context, room);
    }
    return trial;
  }

  std::string target_name_ = "demo-moe";
  std::string draft_ = "mtp";
  std::optional<std::string> prompt_, prompt_file_, prompt_tokens_, system_;
  bool chat_ = false, raw_ = false;
  int max_tokens_ = 128;
  std::optional<std::string> k_;
  bool always_reject_ = false;
  std::string rule_ = "sampled";
  std::optional<int> verify_experts_;
  std::vector<int> depths_;  // empty: as many guesses as a drafter makes if nobody says
  Sampler sampler_;
  std::uint64_t seed_ = 1;
  EngineOptions engine_;
  int prefill_step_ = 256;
  bool ignore_eos_ = false, text_only_ = false;
  std::optional<std::string> json_, trace_, record_, svg_;
  int record_top_ = 0;
  Prompt read_;
  std::string chat_date_;
};

}  // namespace

Command command_run() { return {"run", "generate a text with guesses, and tell whether they pay", make_job<Run>}; }

}  // namespace specdec

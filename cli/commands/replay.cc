// specdec replay: what other rules, shorter drafts, temperatures and policies would have made of the passes of a run.
#include "experiments/replay.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "core/kinds.h"
#include "draft/options.h"
#include "experiments/provenance.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

std::string interval_text(const Interval& interval, std::string_view form) {
  return fmt::format(fmt::runtime(fmt::format("{{:{0}}} ({{:{0}}} to {{:{0}}})", form)), interval.value, interval.low,
                     interval.high);
}

Json interval_json(const Interval& interval) {
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

class Replay : public Job {
 public:
  std::vector<Option> options() override {
    return {{"record", &record_, "what specdec run --record wrote", Option::Presence::positional},
            {"rule", &rule_, "which guesses stay, as of specdec run; all: every lossless rule; else the run's"},
            {"k", &k_, "of each draft the so many first guesses; else all"},
            {"width", &width_, "of the guesses for one position the so many first; else all"},
            {"policy", &policy_, "how long to draft: NAME[,key=value…]"},
            {"temperature", &temperature_, "of the target; else the run's"},
            {"top-k", &top_k_, "only the so many likeliest tokens; else as the run"},
            {"top-p", &top_p_, "only the likeliest tokens that together reach this; else as the run"},
            {"min-p", &min_p_, "only tokens with this share of the likeliest one's chance; else as the run"},
            {"judgings", &judgings_, "how often each pass is judged, each time with other random numbers"},
            {"json", &json_, "write the figures to this file"}};
  }

  int run() override {
    const std::filesystem::path input = record_;
    check_outputs({json_}, std::span(&input, 1));
    const Recording recording = read_recording(record_);
    ReplayOptions own = own_settings(recording);
    own.judgings = judgings_;
    const Replayed as_run = replay(recording, own);

    std::vector<Replayed> lines;
    for (const std::string& rule : rules_for(recording)) {
      ReplayOptions asked = asked_of(own);
      asked.rule = rule;
      const std::unique_ptr<Policy> policy = make_policy();
      asked.budget.policy = policy.get();
      lines.push_back(replay(recording, asked));
    }
    fmt::print("{}", text_of(recording, as_run, lines));
    if (json_) write_file(*json_, json_of(recording, as_run, lines));
    if (asks_for_other_settings() || !must_be_the_same(recording) || !as_run.first_difference) return 0;
    fmt::print(
        "Not reproduced: with the run's own settings pass {} ends otherwise than recorded; the record was changed, or "
        "another version of specdec made it.\n",
        *as_run.first_difference);
    return kClaimFailed;
  }

 private:
  bool asks_for_other_settings() const {
    return rule_ || k_ || width_ || policy_ || temperature_ || top_k_ || top_p_ || min_p_;
  }

  // Of a record that keeps only the likeliest tokens, other tokens are drawn by the same numbers.
  static bool must_be_the_same(const Recording& recording) {
    return recording.detail.top == 0 || recording.sampler.temperature == 0;
  }

  // A policy never sees what the guesses would have been that the run's policy did not make.
  std::string unanswered(const Recording& recording) const {
    const bool limited = !recording.policy.empty() && recording.policy != "fixed";
    if (!limited || !policy_) return "";
    const NamedOptions named = split_options(*policy_, "policy");
    const PolicySpec asked{&find_kind(policy_kinds(), "policy", named.name), named.values};
    if (asked.text() == recording.policy) return "";
    return fmt::format(
        "The run drafted by policy {}: guesses that it did not make are not in the record. How far policy {} would "
        "have gone beyond them, and what that would have brought, the record cannot say; record a run without a "
        "policy.",
        recording.policy, asked.text());
  }

  std::vector<std::string> rules_for(const Recording& recording) const {
    if (!rule_) return {recording.rule};
    if (*rule_ != "all") return {*rule_};
    bool trees = false;
    for (const RecordedStep& step : recording.steps) trees = trees || step.tree.guesses() > step.tree.depth();
    std::vector<std::string> names;
    for (const RuleKind& kind : rule_kinds()) {
      const Rule rule = make_rule(kind.name);
      if (rule.lossless && !(rule.chains_only && trees && width_ != 1)) names.emplace_back(kind.name);
    }
    return names;
  }

  ReplayOptions asked_of(ReplayOptions options) const {
    if (k_ && *k_ < 1) throw UsageError("--k {}: expected 1 or more", *k_);
    if (width_ && *width_ < 1) throw UsageError("--width {}: expected 1 or more", *width_);
    if (k_) options.budget.depth = *k_;
    if (width_) options.budget.width = *width_;
    options.sampler.temperature = number_or("temperature", temperature_, options.sampler.temperature);
    options.sampler.top_k = top_k_.value_or(options.sampler.top_k);
    options.sampler.top_p = number_or("top-p", top_p_, options.sampler.top_p);
    options.sampler.min_p = number_or("min-p", min_p_, options.sampler.min_p);
    return options;
  }

  static double number_or(const std::string& name, const std::optional<std::string>& text, double otherwise) {
    if (!text) return otherwise;
    return Options({{name, *text}}, "specdec replay").number(name, otherwise, 0, 1e6);
  }

  std::unique_ptr<Policy> make_policy() const {
    if (!policy_) return nullptr;
    const NamedOptions named = split_options(*policy_, "policy");
    Options options(named.values, "policy " + named.name);
    std::unique_ptr<Policy> policy = find_kind(policy_kinds(), "policy", named.name).make(options);
    options.refuse_unknown();
    return policy;
  }

  // A record of an older run does not say.
  static std::string drafting_of(const Recording& recording) {
    std::string text;
    if (!recording.tree.empty()) {
      text += fmt::format(" with tree = {}", recording.tree);
    } else if (recording.k > 0) {
      text += fmt::format(" with k = {}", recording.k);
    }
    if (!recording.policy.empty()) text += fmt::format(", policy {}", recording.policy);
    return text;
  }

  static std::string named(const Replayed& line) { return line.lossless ? line.rule : line.rule + " (lossy)"; }

  std::string text_of(const Recording& recording, const Replayed& as_run, const std::vector<Replayed>& lines) const {
    std::string text =
        fmt::format("{}: {} guessed for by {}{}, {} passes, rule {}, temperature {}, seed {}\n", recording.path,
                    recording.target, recording.drafter, drafting_of(recording), recording.steps.size(), recording.rule,
                    recording.sampler.temperature, recording.seed);
    if (recording.verify_experts > 0) {
      text += fmt::format("  lossy: recorded with --verify-experts {}, so its laws need not be the target's\n",
                          recording.verify_experts);
    }
    text += fmt::format(
        "  with its own settings {} of {} passes end as recorded{}\n\n", as_run.same_as_recorded, as_run.steps,
        as_run.first_difference ? fmt::format("; the first other one is pass {}", *as_run.first_difference) : "");
    text += fmt::format("  {:<34}{:>24}{:>28}{:>10}{:>8}   {}\n", "rule", "tokens per pass",
                        "more than recorded settings", "guesses", "alpha", "accepted, of those that were reached");
    const auto add = [&](const std::string& name, const Replayed& one) {
      std::string conditional;
      for (const double rate : one.conditional) conditional += fmt::format("{:>6.3f}", rate);
      text +=
          fmt::format("  {:<34}{:>24}{:>28}{:>10.2f}{:>8.3f}  {}\n", name, interval_text(one.tokens_per_pass, ".3f"),
                      interval_text(gain(one, as_run), "+.3f"), one.drafted_per_pass, one.alpha, conditional);
    };
    add("as recorded: " + named(as_run), as_run);
    for (const Replayed& line : lines) add(named(line), line);
    text += fmt::format("\nMeans of {} judging{} of each pass, with 95 % intervals over the passes.\n", as_run.judgings,
                        as_run.judgings == 1 ? "" : "s");
    if (recording.detail.top > 0) {
      text += fmt::format(
          "The record keeps the {} likeliest tokens: the others are judged as one, up to {:.2g} of a law; {:.2g} of "
          "the "
          "judgings end with one of them.\n",
          recording.detail.top, largest_rest(recording), as_run.unrecorded);
    }
    if (const std::string limits = unanswered(recording); !limits.empty()) text += limits + "\n";
    return text +
           "A record cannot say how the text goes on after other tokens, what longer or wider drafts or another "
           "drafter "
           "would have guessed, or how long it takes.\n";
  }

  std::string json_of(const Recording& recording, const Replayed& as_run, const std::vector<Replayed>& lines) const {
    const auto object = [&](const Replayed& one) {
      return Json{{"rule", one.rule},
                  {"lossless", one.lossless},
                  {"passes", one.steps},
                  {"judgings", one.judgings},
                  {"same_as_recorded", one.same_as_recorded},
                  {"tokens_per_pass", interval_json(one.tokens_per_pass)},
                  {"more_than_recorded_settings", interval_json(gain(one, as_run))},
                  {"guesses_per_pass", one.drafted_per_pass},
                  {"alpha", one.alpha},
                  {"accepted_of_reached", one.conditional},
                  {"ended_unrecorded", one.unrecorded}};
    };
    Json all = Json::array();
    for (const Replayed& line : lines) all.push_back(object(line));
    const Json json{{"specdec", version()},
                    {"record", recording.path},
                    {"target", recording.target},
                    {"drafter", recording.drafter},
                    {"k", recording.k},
                    {"tree", recording.tree},
                    {"policy", recording.policy},
                    {"unanswered", unanswered(recording)},
                    {"seed", recording.seed},
                    {"verify_experts", recording.verify_experts},
                    {"as_recorded", object(as_run)},
                    {"replayed", all}};
    return json.dump(2) + "\n";
  }

  std::string record_;
  std::optional<std::string> rule_, policy_, temperature_, top_p_, min_p_, json_;
  std::optional<int> k_, width_, top_k_;
  int judgings_ = 100;
};

}  // namespace

Command command_replay() {
  return {"replay", "judges the passes of a recorded run by other rules and settings", make_job<Replay>,
          "; 5: the run's own settings do not reproduce the run"};
}

}  // namespace specdec

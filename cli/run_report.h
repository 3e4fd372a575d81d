// What a run found, said three times from the same facts: in words, as JSON, and step by step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/origin.h"
#include "experiments/break_even.h"
#include "experiments/limit.h"
#include "experiments/paired_trials.h"
#include "experiments/recording.h"
#include "verify/tally.h"

namespace specdec {

struct RunReport {
  // What was run.
  Origin origin;
  const LoadedTarget& target;
  const LoadedDrafter& drafter;
  TrialOptions trial_options;
  std::string prompt;
  std::string prompt_source;
  std::vector<TokenId> prompt_ids;
  std::string chat_date;  // UTC, that the chat template tells in the prompt; empty: it tells none

  // What came out.
  std::string text;
  Ending ending = Ending::none;  // of this text; a repeat of a text that was interrupted ends otherwise
  PairedTrials trials{};
  std::optional<BreakEven> break_even{};  // if every guess was rejected
  Tally tally{}, plain{};
  Comparison comparison{};
  std::string lossy_by{};           // the rule, or experts that were left out; empty: lossless
  std::optional<bool> identical{};  // to plain decoding; nothing if runs draw texts of their own
  LimitFacts limit_facts{};
  LimitReport limit{};
};

// Counts the figures from the trials. What was run and what came out are filled in.
void count_figures(RunReport& report);

std::string summary_of(const RunReport& report);  // for people, several lines
std::string verdict_of(const RunReport& report);  // one line: pays or not, by how much, what binds
std::string json_of(const RunReport& report);     // one object
// JSON, one object on each line: the run, then every step. The recorder, if any, was told of every pass: its part of
// the line goes with each step.
std::string trace_of(const RunReport& report, const Recorder* recorder = nullptr);

}  // namespace specdec

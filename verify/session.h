// The life of one text: guess, look, judge, keep, tell. Read Session::step first.
//   Session session(*target, *drafter, rule, sampler, {.budget = {.depth = 3}}, Rng(seed));
//   session.prefill(prompt);
//   while (!session.done()) records.push_back(session.step());
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/distribution.h"
#include "core/experts.h"
#include "core/model.h"
#include "core/rng.h"
#include "core/routing_table.h"
#include "draft/drafter.h"
#include "verify/judging.h"
#include "verify/pass_forecast.h"
#include "verify/rule.h"

namespace specdec {

struct SessionOptions {
  Budget budget{};
  int max_tokens = 128;        // generated at most
  std::vector<TokenId> eos{};  // each ends the text and is its last token; empty = none does
  int capacity = 0;            // positions of the State; 0 = the model's context
  int prefill_step = 256;      // rows of one prefill pass at most
  // Routed experts that a layer reads at most in a pass with guesses, as of Shortcut::experts_per_pass: then the text
  // is not the target's. 0 = all that its rows choose.
  int verify_experts = 0;
  bool expert_events = false;  // whether they are recorded
  Pool* pool = nullptr;        // idle between passes: laws of a large vocabulary are made on its threads
  std::function<void(const DraftTree&, const MatView& logits)> on_pass{};  // row i after node i; outside of all times
};

struct StepTimes {
  double guess_s = 0, look_s = 0, judge_s = 0, keep_s = 0, tell_s = 0;
  double total_s() const { return guess_s + look_s + judge_s + keep_s + tell_s; }
  StepTimes& operator+=(const StepTimes& other);
};

// Facts of one step, from which all figures are counted.
struct StepRecord {
  int position = 0;              // of the anchor in the text
  int rows = 1;                  // of the target's pass: the anchor and the guesses
  int depth = 0;                 // of the longest guess
  std::vector<int> parents;      // of each row; -1 for the anchor
  std::vector<int> path;         // rows that stayed, the anchor first
  bool rejected = false;         // guesses followed the last accepted token, and none of them was taken
  std::vector<TokenId> emitted;  // the accepted guesses and, unless they end the text, one more token
  std::vector<RouterUse> routed;
  DraftCost draft;  // of this step
  StepTimes times;
  std::vector<LayerTraffic> experts;       // of the target's store, by layer; those of its MTP layer among them
  std::vector<ExpertEvent> expert_events;  // in their order; none unless asked for

  int drafted() const { return rows - 1; }
  int accepted() const { return static_cast<int>(path.size()) - 1; }
};

enum class Ending { none, eos, max_tokens, context };

// Whether so many experts of a pass are fewer than there are. Throws UsageError if the target cannot leave any out.
bool leaves_out_experts(const Model& target, int verify_experts);

class Session {
 public:
  // Everything given by reference outlives the session.
  Session(const Model& target, Drafter& drafter, const Rule& rule, const Sampler& sampler,
          const SessionOptions& options, const Rng& rng);

  // Once, before the first step. Drops the experts that are in memory for want of room for all: what a text takes to
  // load depends on no other. The last token of the prompt becomes the first anchor.
  void prefill(std::span<const TokenId> prompt);
  StepRecord step();

  Ending ending() const { return ending_; }
  bool done() const { return ending_ != Ending::none; }
  std::span<const TokenId> text() const { return text_; }  // the prompt and what was generated
  std::span<const TokenId> generated() const { return text().subspan(prompt_length_); }
  const State& state() const { return *state_; }
  double prefill_s() const { return prefill_s_; }
  const std::vector<ExpertEvent>& prefill_expert_events() const { return prefill_expert_events_; }
  const ExpertTraffic& prefill_experts() const { return prefill_experts_; }

 private:
  Budget budget_left() const;
  bool ends(TokenId token) const;
  void tell(std::span<const TokenId> tokens, std::span<const int> rows, const Output& out);
  void tell_policy(const DraftTree& tree, const Verdict& verdict, const StepRecord& record);
  void append(std::span<const TokenId> emitted);
  void look_ahead(TokenId token);  // at what it used when it was last seen

  const Model& target_;
  std::unique_ptr<const Model> verifier_;  // of passes with guesses; null for the target as it is
  Drafter& drafter_;
  Judging judging_;
  SessionOptions options_;
  Rng rng_;
  Taps taps_;
  std::unique_ptr<State> state_;
  std::vector<TokenId> text_;
  std::size_t prompt_length_ = 0;
  Ending ending_ = Ending::none;
  double prefill_s_ = 0;
  RoutingTable routing_;
  bool learns_routing_;
  std::unique_ptr<PassForecast> forecast_;    // null if no policy reads it
  std::vector<LayerTraffic> traffic_before_;  // of the store, when the step began
  std::vector<ExpertEvent> prefill_expert_events_;
  ExpertTraffic prefill_experts_;
};

}  // namespace specdec

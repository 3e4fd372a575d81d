// One text by one target with one drafter: what commands, experiments and tests run and measure.
//   Engine engine({.threads = 2});
//   const LoadedTarget target = load_target("demo-moe", engine);
//   const LoadedDrafter mtp = load_drafter("mtp,k=3", {}, target, engine);
//   const Trial trial = run_trial(target, mtp, prompt, {.max_tokens = 64}, engine);
#pragma once

#include <any>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/distribution.h"
#include "core/engine.h"
#include "core/experts.h"
#include "core/model.h"
#include "draft/bridge.h"
#include "draft/drafter.h"
#include "experiments/mtp_probe.h"
#include "tokenizers/chat_template.h"
#include "tokenizers/tokenizer.h"
#include "verify/session.h"

namespace specdec {

struct LoadedTarget {
  std::string name;  // as it was asked for
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;  // null when the checkpoint has none
  std::vector<TokenId> eos;              // any of these ends a text
};

// A directory, a .gguf file, a shipped name or an id of the Hugging Face cache. Throws Error also when the tokenizer is
// another model's.
LoadedTarget load_target(const std::string& name, Engine& engine);

// Ids of a prompt: with what the checkpoint wants before a text, and nothing after. Throws Error when that is no token
// at all, because a text cannot begin from nothing, and for a token that the model has no row for.
std::vector<TokenId> encode_prompt(const LoadedTarget& target, std::string_view text);

// A conversation in the model's chat template, up to where its answer begins.
struct ChatPrompt {
  std::string text;  // as the template writes it
  std::vector<TokenId> tokens;
};

// A user's message, after that of the system if there is one. Nothing is put before what the template writes, which
// begins a text itself if the model wants that. now: of which a template may tell the date. Throws Error as above, and
// if there is no template, or one that is not supported or refuses these messages.
ChatPrompt encode_message(const LoadedTarget& target, const std::optional<std::string>& system,
                          const std::string& message, std::time_t now);

struct LoadedDrafter {
  DrafterSpec spec;
  Budget budget;  // without its policy, which a trial makes
  PolicySpec policy;
  std::shared_ptr<const Model> model;          // null for a kind without one
  std::shared_ptr<const DraftHead> head;       // null for a kind without one; it may share weights of the target
  std::optional<MtpProbe> probe;               // that chose how the target's MTP layer is read
  std::shared_ptr<const Tokenizer> tokenizer;  // of the model; null if it has none
  std::shared_ptr<const Bridge> bridge;        // from its vocabulary to the target's; null for a kind without a model
  std::optional<ModelInfo> recognised;         // the text was the bare path of this checkpoint
  std::shared_ptr<std::any> kept = std::make_shared<std::any>();  // of DrafterContext
};

// `text` is KIND[:PATH][,key=value…] or the bare path of a checkpoint, whose config then decides the kind. k of the
// text goes before `depth`, and both before the default. Throws Error when this drafter cannot serve this target, which
// outlives it.
LoadedDrafter load_drafter(const std::string& text, std::optional<int> depth, const LoadedTarget& target,
                           Engine& engine);

// Weights that a pass of one row of the drafter reads.
std::int64_t step_bytes_of(const LoadedTarget& target, const LoadedDrafter& drafter);

// What a bridge between the vocabularies of a target and of a drafter's model is made from.
BridgeSides sides_between(const LoadedTarget& target, const LoadedDrafter& drafter);

// Throws UsageError naming how many guesses a pass may have.
void check_depth(int depth);

// Throws UsageError if `draft` names a tree, which says how long guesses are, so that a `depth` beside it would not
// count.
void check_no_tree(const DrafterSpec& draft, std::string_view depth);

// Plain decoding: the drafter that guesses nothing.
LoadedDrafter no_drafter();

struct TrialOptions {
  Sampler sampler{};
  std::uint64_t seed = 1;
  int max_tokens = 128;
  int prefill_step = 256;
  std::vector<TokenId> eos{};                                              // empty: the text never ends by itself
  std::string rule = "sampled";                                            // NAME[,key=value…]
  int verify_experts = 0;                                                  // of SessionOptions
  Policy* policy = nullptr;                                                // that goes on learning; none = a new one
  std::function<void(const DraftTree&, const MatView& logits)> on_pass{};  // of SessionOptions
  bool expert_events = false;                                              // of SessionOptions
  bool keeps_steps = true;                                                 // false: `on_step` has seen them
};

struct Trial {
  std::vector<StepRecord> steps;  // none unless they are kept
  std::vector<TokenId> generated;
  Ending ending = Ending::none;
  double prefill_s = 0;
  std::int64_t memory_bytes = 0;  // State::memory_bytes of the target
  std::int64_t barriers = 0;      // of the engine's threads, during the steps
  ExpertTraffic experts;          // of the target, during the steps
  ExpertTraffic prefill_experts;  // while the prompt was read
  std::vector<ExpertEvent> prefill_expert_events;
  std::int64_t drafter_step_bytes = 0;    // weights that one pass of one row of the drafter reads
  std::int64_t drafter_weight_bytes = 0;  // all weights that it reads besides the target's
};

enum class Continue { no, yes };

// `on_step` sees every step when it is done, outside of the measured times, and says whether there shall be another.
Trial run_trial(const LoadedTarget& target, const LoadedDrafter& drafter, std::span<const TokenId> prompt,
                const TrialOptions& options, Engine& engine,
                const std::function<Continue(const StepRecord&)>& on_step = {});

std::string_view name_of(Ending ending);

}  // namespace specdec

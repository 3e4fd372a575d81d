#include "experiments/trial.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "core/arch.h"
#include "core/eagle.h"
#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/kinds.h"
#include "core/pool.h"
#include "draft/options.h"
#include "experiments/checkpoint_role.h"
#include "experiments/prompt_file.h"
#include "tokenizers/spellings.h"
#include "verify/rule.h"
#include "verify/sequoia.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;

constexpr int kDefaultDepth = 3;
constexpr int kMostDepth = 64;
constexpr int kMostPlannedDepth = 8, kMostPlannedRows = 32;  // of a tree, if nobody says

bool is_drafter_kind(std::string_view name) {
  return std::ranges::any_of(drafter_kinds(), [&](const DrafterKind& kind) { return kind.name == name; });
}

// Whether the user can only have meant a checkpoint.
bool names_checkpoint(const std::string& name) {
  if (name.find('/') != std::string::npos || fs::is_directory(name)) return true;
  const std::vector<LocalModel> shipped = shipped_models();
  return std::ranges::find(shipped, name, &LocalModel::id) != shipped.end();
}

void check_shape(const LoadedDrafter& drafter) {
  if (drafter.budget.width == 1) return;
  const BridgeKind& bridge = find_kind(bridge_kinds(), "bridge", drafter.bridge->name());
  if (!bridge.grows_trees) {
    throw UsageError("bridge {} guesses chains: width={} cannot be had", bridge.name, drafter.budget.width);
  }
}

void load_draft_model(LoadedDrafter& drafter, const LoadedTarget& target, Engine& engine) {
  const std::string bridge = take_bridge(drafter.spec);
  if (drafter.spec.path.empty()) {
    throw UsageError("drafter {} needs the checkpoint of a draft model: --draft {}:PATH", drafter.spec.kind,
                     drafter.spec.kind);
  }
  const fs::path directory = resolve_model(drafter.spec.path);
  drafter.model = load_model(directory, engine);
  drafter.tokenizer = load_tokenizer(directory);
  drafter.bridge = make_bridge(bridge, sides_between(target, drafter));
}

std::vector<TokenId> text_to_probe(const LoadedTarget& target) {
  if (target.tokenizer != nullptr) {
    std::string text;
    for (const NamedPrompt& prompt : built_in_prompts()) text += prompt.text + "\n";
    return encode_prompt(target, text);
  }
  constexpr std::uint64_t kTokens = 128;
  std::vector<TokenId> drawn;
  for (std::uint64_t i = 0; i < kTokens; ++i) {
    drawn.push_back(TokenId{static_cast<std::int32_t>(Rng(1).uniform(i) * target.model->info().vocab)});
  }
  return drawn;
}

void choose_convention(LoadedDrafter& drafter, const LoadedTarget& target) {
  const std::string convention = take_convention(drafter.spec);
  if (convention == "auto") return;
  HeadReading reading;
  if (convention == "probe") {
    drafter.probe = probe_mtp(*target.model, text_to_probe(target));
    reading = drafter.probe->best().reading;
  } else {
    reading = parse_reading(convention);
  }
  if (target.model->mtp() != nullptr) drafter.head = target.model->mtp()->with(reading);
}

StaticTree planned_tree(std::span<const double> ranks, const LoadedTarget& target, const LoadedDrafter& drafter) {
  const PlannedTree best = plan_tree(
      ranks, tree_costs(target.model->info(), target.model->bytes(), step_bytes_of(target, drafter)), drafter.budget);
  if (best.tree.guesses() > 0) return best.tree;
  throw UsageError(
      "tree=sequoia: no tree reads fewer bytes per token than plain decoding with ranks={}; that is --draft none",
      fmt::join(ranks, "/"));
}

void check_tokenizer(const LoadedTarget& target) {
  if (target.tokenizer != nullptr) return;
  throw Error("{} has no tokenizer, so it cannot read text; give ids with --prompt-tokens 1,2,3", target.name);
}

void check_rows(const LoadedTarget& target, std::span<const TokenId> prompt) {
  const int rows = target.model->info().vocab;
  for (const TokenId token : prompt) {
    if (index(token) < rows) continue;
    throw Error("the prompt holds '{}', id {} of the tokenizer, but {} has only {} rows and cannot read it",
                target.tokenizer->piece(token), index(token), target.name, rows);
  }
}

}  // namespace

LoadedTarget load_target(const std::string& name, Engine& engine) {
  const fs::path directory = resolve_model(name);
  LoadedTarget target{name, load_model(directory, engine), load_tokenizer(directory), {}};
  const ModelInfo& info = target.model->info();
  target.eos = info.eos;
  if (target.tokenizer == nullptr) return target;
  const Vocabulary& vocabulary = target.tokenizer->vocabulary();
  for (int id = info.vocab; id < vocabulary.size(); ++id) {  // markers may have no row: of images, of a later model
    if (!is_text(vocabulary, id)) continue;
    throw Error("{}: the tokenizer has {} ids but the model only {}: it belongs to another model", directory.string(),
                vocabulary.size(), info.vocab);
  }
  const auto eos = target.tokenizer->role("eos");
  if (target.eos.empty() && eos && index(*eos) < info.vocab) target.eos.push_back(*eos);
  return target;
}

std::vector<TokenId> encode_prompt(const LoadedTarget& target, std::string_view text) {
  check_tokenizer(target);
  std::vector<TokenId> prompt = target.tokenizer->frame().before;
  const std::vector<TokenId> ids = target.tokenizer->encode(text);
  prompt.insert(prompt.end(), ids.begin(), ids.end());
  if (prompt.empty() && target.model->info().bos) prompt.push_back(*target.model->info().bos);
  if (prompt.empty()) {
    throw Error("the prompt is empty, and {} has no token that begins a text; give at least one character",
                target.name);
  }
  check_rows(target, prompt);
  return prompt;
}

ChatPrompt encode_message(const LoadedTarget& target, const std::optional<std::string>& system,
                          const std::string& message, std::time_t now) {
  check_tokenizer(target);
  std::vector<ChatMessage> messages;
  if (system) messages.push_back({"system", *system});
  messages.push_back({"user", message});
  ChatPrompt prompt{chat_template_of(*target.tokenizer, target.name).render(messages, now), {}};
  prompt.tokens = target.tokenizer->encode(prompt.text);
  if (prompt.tokens.empty()) throw Error("the chat template of {} writes nothing", target.name);
  check_rows(target, prompt.tokens);
  return prompt;
}

LoadedDrafter load_drafter(const std::string& text, std::optional<int> depth, const LoadedTarget& target,
                           Engine& engine) {
  LoadedDrafter drafter;
  drafter.spec = parse_drafter_spec(text);
  if (!is_drafter_kind(drafter.spec.kind) && names_checkpoint(drafter.spec.kind)) {
    const fs::path directory = resolve_model(drafter.spec.kind);
    drafter.spec.path = drafter.spec.kind;
    drafter.spec.kind = is_eagle(recognise(read_config(directory), nullptr).role) ? "eagle" : "small";
    if (drafter.spec.kind == "small") drafter.recognised = describe_model(directory);
  }
  const DrafterKind& kind = find_drafter(drafter.spec);
  if (kind.name == no_drafter().spec.kind) {  // there is nothing to limit
    Options(drafter.spec.options, "drafter none").refuse_unknown();
    return drafter;
  }
  const auto ranks = take_plan(drafter.spec);
  drafter.budget =
      ranks ? take_budget(drafter.spec, {.depth = depth.value_or(kMostPlannedDepth), .rows = kMostPlannedRows})
            : take_budget(drafter.spec, {.depth = depth.value_or(kDefaultDepth)});
  drafter.policy = take_policy(drafter.spec);
  check_depth(drafter.budget.depth);
  if (kind.needs_head) {
    if (drafter.spec.path.empty()) {
      throw UsageError("drafter {} needs the checkpoint of a head: --draft {}:PATH", kind.name, kind.name);
    }
    drafter.head = load_eagle(resolve_model(drafter.spec.path), *target.model, engine);
  }
  if (kind.name == "mtp") choose_convention(drafter, target);
  if (kind.needs_model) load_draft_model(drafter, target, engine);
  if (ranks) drafter.budget = with_tree(drafter.budget, planned_tree(*ranks, target, drafter));
  if (drafter.bridge != nullptr) check_shape(drafter);
  return drafter;
}

std::int64_t step_bytes_of(const LoadedTarget& target, const LoadedDrafter& drafter) {
  const DrafterContext context{.target = *target.model,
                               .draft = drafter.model,
                               .head = drafter.head,
                               .bridge = drafter.bridge,
                               .capacity = 1,
                               .options = {}};
  return make_drafter(drafter.spec, context)->step_bytes();
}

BridgeSides sides_between(const LoadedTarget& target, const LoadedDrafter& drafter) {
  const auto side = [](const std::string& of, const ModelInfo& info, const Tokenizer* tokenizer) {
    return BridgeSides::Side{of, info.vocab, tokenizer,
                             info.eos.empty() ? std::nullopt : std::optional(info.eos.front())};
  };
  return {side(target.name, target.model->info(), target.tokenizer.get()),
          side(drafter.spec.path, drafter.model->info(), drafter.tokenizer.get())};
}

void check_depth(int depth) {
  if (depth == 0) throw UsageError("k = 0 guesses nothing; plain decoding is --draft none");
  if (depth < 0 || depth > kMostDepth) throw UsageError("k = {}: expected 1 to {} guesses", depth, kMostDepth);
}

void check_no_tree(const DrafterSpec& draft, std::string_view depth) {
  const auto tree = draft.options.find("tree");
  if (tree == draft.options.end() || tree->second == "sequoia") return;
  throw UsageError("--k {} and tree={} of --draft are both given; expected one of them", depth, tree->second);
}

LoadedDrafter no_drafter() {
  LoadedDrafter drafter;
  drafter.spec.kind = "none";
  return drafter;
}

Trial run_trial(const LoadedTarget& target, const LoadedDrafter& drafter, std::span<const TokenId> prompt,
                const TrialOptions& options, Engine& engine,
                const std::function<Continue(const StepRecord&)>& on_step) {
  const int rows = 1 + drafter.budget.row_limit();
  const std::int64_t wanted = static_cast<std::int64_t>(prompt.size()) + options.max_tokens + rows;
  const int capacity = static_cast<int>(std::min<std::int64_t>(target.model->info().context, wanted));
  DrafterContext context{.target = *target.model,
                         .draft = drafter.model,
                         .head = drafter.head,
                         .bridge = drafter.bridge,
                         .tokenizer = target.tokenizer.get(),
                         .kept = drafter.kept,
                         .sampler = options.sampler,
                         .capacity = capacity,
                         .options = {}};
  const std::unique_ptr<Drafter> guesses = make_drafter(drafter.spec, std::move(context));
  Budget budget = drafter.budget;
  const std::unique_ptr<Policy> policy = options.policy == nullptr ? drafter.policy.make() : nullptr;
  budget.policy = options.policy == nullptr ? policy.get() : options.policy;
  const Rule rule = make_rule(options.rule);
  Session session(*target.model, *guesses, rule, options.sampler,
                  {.budget = budget,
                   .max_tokens = options.max_tokens,
                   .eos = options.eos,
                   .capacity = capacity,
                   .prefill_step = options.prefill_step,
                   .verify_experts = options.verify_experts,
                   .expert_events = options.expert_events,
                   .pool = &engine.pool(),
                   .on_pass = options.on_pass},
                  Rng(options.seed));
  session.prefill(prompt);
  const std::int64_t barriers = engine.pool().barriers();
  Trial trial;
  while (!session.done()) {
    StepRecord step = session.step();
    for (const LayerTraffic& layer : step.experts) trial.experts += layer.traffic;
    const bool goes_on = !on_step || on_step(step) == Continue::yes;
    if (options.keeps_steps) trial.steps.push_back(std::move(step));
    if (!goes_on) break;
  }
  trial.drafter_step_bytes = guesses->step_bytes();
  trial.drafter_weight_bytes = guesses->weight_bytes();
  trial.barriers = engine.pool().barriers() - barriers;
  trial.prefill_experts = session.prefill_experts();
  trial.prefill_expert_events = session.prefill_expert_events();
  trial.generated.assign(session.generated().begin(), session.generated().end());
  trial.ending = session.ending();
  trial.prefill_s = session.prefill_s();
  trial.memory_bytes = session.state().memory_bytes();
  return trial;
}

std::string_view name_of(Ending ending) {
  switch (ending) {
    case Ending::none:
      return "interrupted";
    case Ending::eos:
      return "end of text";
    case Ending::max_tokens:
      return "--max-tokens reached";
    case Ending::context:
      return "context full";
  }
  SPECDEC_ASSERT(false);
}

}  // namespace specdec

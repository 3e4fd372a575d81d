// Who guesses what the target will say. A kind is a file draft/kinds/<name>.cc; its name is its name on the command
// line.
//   DrafterSpec spec = parse_drafter_spec("small:models/demo-draft,k=4");
//   const Budget budget = take_budget(spec, {});
//   auto drafter = make_drafter(spec, {.target = *target, .draft = draft_model, .sampler = sampler, .capacity = 512});
#pragma once

#include <any>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/distribution.h"
#include "core/model.h"
#include "core/rng.h"
#include "core/tree.h"
#include "draft/policy.h"

namespace specdec {

class Bridge;
class Tokenizer;

// What the target said for certain: tokens that follow all those told before, and the hidden states asked for.
struct Final {
  std::span<const TokenId> tokens;
  std::span<const int> rows;        // token i is row rows[i] of each of `hidden`
  std::span<const MatView> hidden;  // one per tapped layer of needs(), valid during observe()
};

// Work of a drafter so far. Bytes are weights of its own passes, each expert once per pass.
struct DraftCost {
  std::int64_t passes = 0;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::int64_t retokenised = 0;  // generated tokens that it has no id for, read as text
};

// One per generation: it sees every final token once, in order, and owns its own memory. The anchor of a tree is the
// first token of the next observe().
class Drafter {
 public:
  virtual ~Drafter() = default;
  virtual Taps needs() const { return {}; }  // what it must see of the target
  // The target's State of this text, once, before anything is told. Within propose() rows may be appended to it; all of
  // them are dropped again by then. It outlives the drafter's last call.
  virtual void lend(State&) {}
  virtual void observe(const Final& seen) = 0;
  virtual void prompt_ends() {}  // all of the prompt but its last token was told: what it makes of that, it makes now

  // Adds guesses below the anchor, within the budget. The draw of a guess depends on `rng`, its position in the text
  // and its rank there, never on how far others are drafted.
  virtual void propose(DraftTree& tree, const Budget& budget, const Rng& rng) = 0;

  virtual DraftCost cost() const { return {}; }
  virtual std::int64_t step_bytes() const { return 0; }    // weights that one pass of one row reads
  virtual std::int64_t weight_bytes() const { return 0; }  // all of its own weights: those besides the target's
};

// What a drafter may see. Everything outlives the drafter.
struct DrafterContext {
  const Model& target;
  std::shared_ptr<const Model> draft{};  // a kind with needs_model: the checkpoint of DrafterSpec::path
  // A kind with needs_head: that of DrafterSpec::path. mtp: the target's, read another way; null = as it is.
  std::shared_ptr<const DraftHead> head{};
  std::shared_ptr<const Bridge> bridge{};  // between its vocabulary and the target's; null = the same ids
  const Tokenizer* tokenizer = nullptr;    // the target's; null: none
  std::shared_ptr<std::any> kept{};        // what a kind keeps for further texts with these options; null: nothing
  Sampler sampler{};                       // the target's; a drafter draws with it unless an option says else
  int capacity = 0;                        // positions, as in the target's State
  std::map<std::string, std::string> options{};  // key=value of the kind, without those of the budget
  std::vector<std::string> elsewhere{};          // keys that others took or would have taken
};

struct DrafterKind {
  std::string_view name, summary;
  bool needs_model;  // DrafterContext::draft must be there
  std::unique_ptr<Drafter> (*make)(const DrafterContext&);
  bool needs_head = false;  // DrafterContext::head must be there
};
std::span<const DrafterKind> drafter_kinds();

// KIND[:PATH][,key=value…], or KIND:key=value… for a kind that reads no checkpoint
struct DrafterSpec {
  std::string kind, path;
  std::map<std::string, std::string> options;
  std::vector<std::string> elsewhere{};  // keys of options that were asked for and are not there any more
};
DrafterSpec parse_drafter_spec(std::string_view text);

// By the kind's name. Throws UsageError when the spec has a path that this kind does not read.
const DrafterKind& find_drafter(const DrafterSpec& spec);

// Takes k (depth), width and rows, or tree, and siblings out of the options: how much is drafted is not the drafter's
// choice.
Budget take_budget(DrafterSpec& spec, const Budget& otherwise);
// Takes tree=sequoia and ranks out of the options, if that is what they ask for: a tree is to be planned for these
// chances of siblings, with k and rows at most.
std::optional<std::vector<double>> take_plan(DrafterSpec& spec);
// The budget of a tree of this shape.
Budget with_tree(Budget budget, StaticTree tree);
// Takes bridge out of the options: the name of one, or auto.
std::string take_bridge(DrafterSpec& spec);
// Takes convention out of the options of mtp: auto, probe or the name of a HeadReading.
std::string take_convention(DrafterSpec& spec);
// Takes policy and its own options out of the options: it says how much within the budget. Throws UsageError naming the
// policies, or what is wrong with the options.
PolicySpec take_policy(DrafterSpec& spec);

std::unique_ptr<Drafter> make_drafter(const DrafterSpec& spec, DrafterContext context);

}  // namespace specdec

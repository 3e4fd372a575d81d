// How long and how wide to draft. A policy is asked before each node is added, and told what became of it. It decides
// by what was drawn before, never by the draw that it decides about: that would bias the text.
//   PolicySpec spec = take_policy(drafter_spec);   // policy=confidence,threshold=0.4
//   const std::unique_ptr<Policy> policy = spec.make();
//   const Budget budget{.depth = 8, .policy = policy.get()};
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/tree.h"
#include "draft/options.h"
#include "draft/static_tree.h"

namespace specdec {

class Policy;
class RowCost;

// How guesses for one position are drawn, one after the other: none twice, or as if there were no others.
enum class Siblings { distinct, independent };

// Limits of one propose().
struct Budget {
  int depth = 0;                                // longest guess, in tokens
  int width = 1;                                // children of one node at most
  int rows = 0;                                 // guesses in all; 0 = depth * width
  Policy* policy = nullptr;                     // may stop earlier; none = to the limits
  RowCost* cost = nullptr;                      // what further rows would cost here; none = nobody knows
  std::shared_ptr<const StaticTree> tree = {};  // where guesses may stand; none = where they are the surest
  std::optional<Siblings> siblings{};           // at a temperature; none = as the rule prefers
  bool tells_confidence = false;                // nodes know it, though the policy may not ask

  int row_limit() const { return rows > 0 ? rows : depth * width; }
};

// What a drafter knows of a guess before it is drawn: of its law, given that its elder siblings are wrong.
struct Outlook {
  TokenId likeliest{};
  double surest = 1;     // the probability of that token
  double entropy = 0;    // of the law, in nats
  bool certain = false;  // it will be that token, not one that is drawn
};

// In passes of plain decoding: 1 is what one row reads without guesses.
struct ReadCost {
  double read = 0;    // bytes of weights, wherever they are
  double loaded = 0;  // bytes of experts that are not in memory, which come from storage before they are read
};

// What the rows of the pass that is being drafted for will cost. Whoever runs the target fills it in: draft never
// includes verify.
class RowCost {
 public:
  virtual ~RowCost() = default;
  virtual ReadCost guess() const = 0;  // a pass of the drafter over one row
  // What one more row adds to the pass over `tree`, which grows from one question to the next. No token: not known yet.
  virtual ReadCost added(const DraftTree& tree, const std::optional<TokenId>& token) = 0;
};

// One step, as it came out.
struct StepFacts {
  const DraftTree& tree;
  const Verdict& verdict;
  ReadCost cost{};     // of the target and the drafter together; counted for a policy that reads it
  double seconds = 0;  // measured: to decide by them is to draft something else every time, the text being the same
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual bool reads_confidence() const { return true; }  // of nodes and outlooks; a greedy chain can do without
  virtual bool reads_cost() const { return false; }       // of Budget and StepFacts
  // One more guess below `node`? Asked before the drafter looks what it would be.
  virtual bool extend(const DraftTree& tree, int node, const Budget& budget) = 0;
  // And now that it has looked? Only drafters that know a law ask.
  virtual bool adds(const DraftTree&, int /*parent*/, const Outlook&, const Budget&) { return true; }
  virtual void observe(const StepFacts& facts) = 0;
};

struct PolicyKind {
  std::string_view name, summary;
  // Takes what it knows out of the options, of which others may be somebody else's.
  std::unique_ptr<Policy> (*make)(Options& options);
};
std::span<const PolicyKind> policy_kinds();

// A policy that was asked for.
struct PolicySpec {
  const PolicyKind* kind = nullptr;  // null: as far as the budget goes
  std::map<std::string, std::string> options{};

  std::unique_ptr<Policy> make() const;  // null without a kind
  std::string text() const;              // NAME[,key=value…]; empty without a kind
};

}  // namespace specdec

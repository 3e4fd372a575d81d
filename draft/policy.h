// How long and how wide to draft. A policy is asked before each node is added, and told what became of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/tree.h"

namespace specdec {

class Policy;

// How guesses for one position are drawn, one after the other: none twice, or as if there were no others.
enum class Siblings { distinct, independent };

// Limits of one propose().
struct Budget {
  int depth = 0;                       // longest guess, in tokens
  int width = 1;                       // children of one node at most
  int rows = 0;                        // guesses in all; 0 = depth * width
  Policy* policy = nullptr;            // may stop earlier; none = to the limits
  std::optional<Siblings> siblings{};  // at a temperature; none = as the rule prefers

  int row_limit() const { return rows > 0 ? rows : depth * width; }
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual bool reads_confidence() const { return true; }  // of nodes; a greedy chain can do without
  virtual bool extend(const DraftTree& tree, int node, const Budget& budget) = 0;  // one more guess below `node`?
  virtual void observe(const DraftTree& tree, const Verdict& verdict) = 0;
};

struct PolicyKind {
  std::string_view name, summary;
  std::unique_ptr<Policy> (*make)(const std::map<std::string, std::string>& options);
};
std::span<const PolicyKind> policy_kinds();

}  // namespace specdec

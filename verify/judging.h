// How the guesses of one step are judged: what a session does, and what a replay of recorded passes does again.
//   const Judging judging(rule, sampler, Rng(seed));
//   const Verdict verdict = judging(tree, laws);   // laws made with judging.sampler()
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/distribution.h"
#include "core/pool.h"
#include "core/rng.h"
#include "core/tree.h"
#include "verify/rule.h"

namespace specdec {

// Of the numbers of a session. The drafter's and the judge's never meet.
Rng drafters_numbers(const Rng& session, int anchor);

class Judging {
 public:
  Judging(const Rule& rule, const Sampler& sampler, const Rng& session);  // the rule outlives it
  // What the rule is shown laws of: the target's sampler, or temperature 1 where it reads how likely guesses are.
  const Sampler& sampler() const { return shown_; }
  Verdict operator()(const DraftTree& tree, const Laws& laws) const;

 private:
  const Rule& rule_;
  Sampler shown_;
  bool takes_likeliest_;  // the target is greedy, though the rule is shown temperature 1
  Rng numbers_;
};

// The laws after the nodes of a tree, each made when it is first asked for; of large vocabularies, with it those of
// the next nodes, one on each thread of the pool.
class LazyLaws {
 public:
  LazyLaws(int nodes, std::function<Distribution(int node)> make, int vocab = 0, Pool* pool = nullptr);
  // Throws what making it threw.
  const Distribution& operator()(int node);

 private:
  void make(int node);

  std::function<Distribution(int node)> make_;
  std::vector<std::optional<Distribution>> made_;
  std::vector<std::exception_ptr> failed_;
  Pool* pool_;  // null: not worth waking
};

// An accepted end of text is the last token: what follows it is neither kept nor counted. Whether there is one.
bool cut_after_end(const DraftTree& tree, std::span<const TokenId> eos, std::vector<int>& path);

}  // namespace specdec

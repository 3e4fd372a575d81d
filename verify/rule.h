// Which guesses stay, and the token after them. A rule is a file verify/rules/<name>.cc.
//   const Rule rule = make_rule("typical,epsilon=0.3");
//   const Verdict verdict = rule.judge(tree, laws, dice);
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/distribution.h"
#include "core/tree.h"
#include "draft/options.h"
#include "draft/policy.h"
#include "verify/dice.h"

namespace specdec {

class Rational;

// laws(node): the target's law of the token after `node`; made when it is asked for, and kept as long as the step.
template <typename Scalar>
using BasicLaws = std::function<const BasicDistribution<Scalar>&(int node)>;

// The dice never share numbers with the drafter: exactness depends on it.
template <typename Scalar>
using BasicJudge =
    std::function<Verdict(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice)>;

using Laws = BasicLaws<double>;
using Judge = BasicJudge<double>;

struct Rule {
  std::string name{};     // with the options that it was made with
  bool lossless = false;  // the law of the text is the target's, whatever the guesses
  Judge judge{};
  BasicJudge<Rational> exact_judge{};      // the same code with exact chances; none for rules that are not lossless
  bool chains_only = false;                // else trees
  Siblings siblings = Siblings::distinct;  // how guesses for one position are best drawn for it
  // At temperature 0 it is shown the laws of temperature 1, to see how likely a guess is that is not the likeliest.
  bool reads_likelihood = false;
};

struct RuleKind {
  std::string_view name, summary;
  Rule (*make)(Options& options);  // without a name
};
std::span<const RuleKind> rule_kinds();

// NAME[,key=value…]. Throws UsageError naming the rules, or the options of this one.
Rule make_rule(std::string_view text);

}  // namespace specdec

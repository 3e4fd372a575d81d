// Whether a rule leaves the target's law as it is, exactly: every draw of a drafter and every decision of the rule's
// own code is walked through, with rational chances, and the chances of all texts are added up.
//   const ExactCheck check = check_exactly(make_rule("block"), 1000, Rng(1));
//   if (!check.holds()) …
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "verify/rational.h"
#include "verify/rule.h"

namespace specdec {

using ExactLaw = BasicDistribution<Rational>;
using ExactTree = BasicDraftTree<Rational>;
using ExactDice = BasicDice<Rational>;
using ExactText = std::vector<int>;                            // ids
using ExactModel = std::function<ExactLaw(const ExactText&)>;  // of the next token
using TextChances = std::map<ExactText, Rational>;

// Walks through every outcome of code that asks it: run() once per outcome, chance() is that outcome's so far.
class EveryOutcome : public ExactDice {
 public:
  void for_each(const std::function<void()>& run);
  const Rational& chance() const { return chance_; }

  bool accept(const Rational& chance, int position, int rank) override;
  int choose(std::span<const Rational> chances, int position) override;
  TokenId draw(const ExactLaw& law, int position) override;

 private:
  struct Choice {
    std::size_t taken;
    std::vector<Rational> chances;
  };
  std::size_t choose_one(std::vector<Rational> chances);
  bool advance();

  std::vector<Choice> choices_;
  std::size_t next_ = 0;
  Rational chance_{1};
};

// How a drafter grows its tree. Nodes have `children` down to `depth`; if `adaptive`, a node that says
// token 0 has none, and siblings drawn without replacement end with it.
struct DraftShape {
  int depth = 1;
  int children = 1;
  Siblings siblings = Siblings::distinct;
  bool certain = false;   // the guesses are drawn, but their laws are not told
  bool adaptive = false;  // how long a guess grows depends on what was guessed
  std::string text() const;
};

struct ExactOutcome {
  TextChances texts;   // of `length` tokens
  Rational emitted{};  // tokens of the step, on average
};

// One step of speculation, then plain sampling up to `length` tokens.
ExactOutcome outcome_of(const BasicJudge<Rational>& judge, const ExactModel& target, const ExactModel& drafter,
                        const DraftShape& shape, int length);
TextChances plain_chances(const ExactModel& target, int length);
Rational total_variation(const TextChances& a, const TextChances& b);

// Another law after every text, of small whole weights. One in three has tokens of weight 0, as filters leave them.
ExactModel random_exact_model(const Rng& rng, int vocab);

struct ExactCheck {
  int models = 0;  // pairs of a target and a drafter, over all shapes that the rule can judge
  int shapes = 0;
  int wrong = 0;  // of these, with another law than the target's
  std::string first_wrong{};
  double largest_distance = 0;  // total variation
  bool holds() const { return wrong == 0; }
};
// Vocabularies of three tokens, texts of up to four. The rule is lossless by its own word.
ExactCheck check_exactly(const Rule& rule, int models, const Rng& rng);

// The shapes that check_exactly() goes through.
std::vector<DraftShape> draft_shapes(bool chains_only);

}  // namespace specdec

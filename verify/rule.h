// Which guesses stay, and the token after them. A rule is a file verify/rules/<name>.cc.
//   const Rule& rule = find_kind(rules(), "rule", "sampled");
#pragma once

#include <span>
#include <string_view>

#include "core/distribution.h"
#include "core/tree.h"
#include "verify/dice.h"

namespace specdec {

// p[node]: the target's law of the token after `node`. The dice never share numbers with the drafter: exactness depends
// on it.
using Judge = Verdict (*)(const DraftTree& tree, std::span<const Distribution> p, Dice& dice);

struct Rule {
  std::string_view name, summary;
  bool lossless;  // the law of the text is the target's, whatever the guesses
  Judge judge;
};
std::span<const Rule> rules();

}  // namespace specdec

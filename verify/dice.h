// The random decisions of a judge. A rule says what is decided with which chance; so a test can walk through every
// outcome and add up the exact law.
#pragma once

#include <cstdint>
#include <span>

#include "core/distribution.h"
#include "core/rng.h"

namespace specdec {

template <typename Scalar>
class BasicDice {
 public:
  virtual ~BasicDice() = default;
  // Of guess number `rank` for that position: no two decisions of one step have both in common. A chance of 1 or more
  // is certain.
  virtual bool accept(const Scalar& chance, int position, int rank) = 0;
  // Which of several guesses for that position; -1 for none of them, with the chance that is left.
  virtual int choose(std::span<const Scalar> chances, int position) = 0;
  virtual TokenId draw(const BasicDistribution<Scalar>& law, int position) = 0;
};
using Dice = BasicDice<double>;

// A token that is drawn depends on the stream and its position in the text; whether a guess is accepted, on the rank
// and on the anchor, too. A rule that looks at all guesses before it takes one learns from guesses that it leaves out,
// so that what follows must not be decided by the same numbers again.
class RngDice : public Dice {
 public:
  RngDice(const Rng& rng, int anchor) : rng_(rng), decisions_(rng.fork(static_cast<std::uint64_t>(anchor)).fork(1)) {}
  bool accept(const double& chance, int position, int rank) override {
    return at(decisions_, position).uniform(static_cast<std::uint64_t>(rank) + 1) < chance;
  }
  int choose(std::span<const double> chances, int position) override {
    double left = at(decisions_, position).uniform(0);
    for (std::size_t i = 0; i < chances.size(); ++i) {
      if (left < chances[i]) return static_cast<int>(i);
      left -= chances[i];
    }
    return -1;
  }
  TokenId draw(const Distribution& law, int position) override { return law.sample(at(rng_, position).uniform(0)); }

 private:
  static Rng at(const Rng& stream, int position) { return stream.fork(static_cast<std::uint64_t>(position)); }
  Rng rng_, decisions_;
};

}  // namespace specdec

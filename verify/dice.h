// The random decisions of a judge. A rule says what is decided with which chance; so a test can walk through every
// outcome and add up the exact law.
#pragma once

#include <cstdint>

#include "core/distribution.h"
#include "core/rng.h"

namespace specdec {

class Dice {
 public:
  virtual ~Dice() = default;
  virtual bool accept(double chance, int position, int rank) = 0;  // of guess number `rank` for that position
  virtual TokenId draw(const Distribution& law, int position) = 0;
};

// A decision depends on the stream, the position in the text and the rank, and on nothing else.
class RngDice : public Dice {
 public:
  explicit RngDice(const Rng& rng) : rng_(rng) {}
  bool accept(double chance, int position, int rank) override {
    return at(position).uniform(static_cast<std::uint64_t>(rank) + 1) < chance;
  }
  TokenId draw(const Distribution& law, int position) override { return law.sample(at(position).uniform(0)); }

 private:
  Rng at(int position) const { return rng_.fork(static_cast<std::uint64_t>(position)); }
  Rng rng_;
};

}  // namespace specdec

// Randomness is a value: a draw depends on the seed and on the forks taken, never on how many draws others made.
//   const Rng step = Rng(seed).fork(position);
//   double u = step.fork(0).uniform(3);   // the fourth number of the first stream
#pragma once

#include <cstdint>

namespace specdec {

class Rng {
 public:
  explicit constexpr Rng(std::uint64_t seed) : key_(mix(seed + kGolden)) {}

  // An independent stream. fork(a).fork(b) and fork(b).fork(a) differ.
  constexpr Rng fork(std::uint64_t stream) const { return Rng(key_ ^ mix(stream * kGolden + 1)); }

  // The i-th number of this stream, in [0, 1), 53 bits.
  constexpr double uniform(std::uint64_t i) const { return static_cast<double>(bits(i) >> 11) * 0x1p-53; }
  constexpr std::uint64_t bits(std::uint64_t i) const { return mix(key_ + (i + 1) * kGolden); }

 private:
  // The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  std::uint64_t key_;
};

}  // namespace specdec

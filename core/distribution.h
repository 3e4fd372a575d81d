// Laws over token ids, and the sampler that makes them from logits.
//   const Sampler sampler{.temperature = 0.8, .top_p = 0.95};
//   const Distribution p = sampler.distribution(row);
//   const TokenId token = p.sample(rng.uniform(0));
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "core/types.h"

namespace specdec {

// Sums to one. A point mass is kept as such, so that greedy decoding never touches the vocabulary.
class Distribution {
 public:
  static Distribution point(TokenId token, int size);
  explicit Distribution(std::vector<double> weights);  // normalises; weights are >= 0, finite and not all zero

  int size() const { return size_; }
  std::optional<TokenId> certain() const { return certain_; }  // the token of a point mass
  double operator[](TokenId token) const;

  // Inverse of the cumulative sum in the order of ids, u in [0, 1). A token of probability zero is never drawn.
  TokenId sample(double u) const;

  friend std::optional<Distribution> residual(const Distribution& p, const Distribution& q);
  friend double sum_min(const Distribution& p, const Distribution& q);

 private:
  Distribution(TokenId token, int size) : certain_(token), size_(size) {}
  std::optional<TokenId> certain_;
  int size_;
  std::vector<double> dense_;  // (size), empty for a point mass
};

// norm([p - q]+). Nothing when p <= q everywhere, which exact arithmetic allows only for p = q.
std::optional<Distribution> residual(const Distribution& p, const Distribution& q);

// The chance that a guess drawn from q is accepted: sum over x of min(p(x), q(x)).
double sum_min(const Distribution& p, const Distribution& q);

// From logits to the law that is sampled: temperature, then top-k, top-p and min-p in the order of transformers.
// Each filter keeps the surest tokens, ties going to the lowest id, and the rest is renormalised.
struct Sampler {
  double temperature = 0;  // 0 = all on the largest logit, ties to the lowest id
  int top_k = 0;           // 0 = off
  double top_p = 1;        // the fewest tokens that together reach this
  double min_p = 0;        // at least this share of the surest token's probability

  // `ids`: the token of each logit, ascending, when the logits cover only a part of `vocab` ids; every other token has
  // probability zero. Throws Error on a NaN or +inf and when nothing is finite; -inf means never.
  Distribution distribution(std::span<const float> logits, std::span<const TokenId> ids = {}, int vocab = 0) const;
  std::vector<Distribution> distributions(const MatView& logits) const;  // one per row

  void check() const;  // throws UsageError that names the option and its range
};

// The largest logit's column, ties to the lowest. Throws Error on a NaN or +inf and when nothing is finite.
int argmax(std::span<const float> logits);

}  // namespace specdec

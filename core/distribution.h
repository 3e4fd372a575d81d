// Laws over token ids, and the sampler that makes them from logits.
//   const Sampler sampler{.temperature = 0.8, .top_p = 0.95};
//   const Distribution p = sampler.distribution(row);
//   const TokenId token = p.sample(rng.uniform(0));
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensor.h"
#include "core/types.h"

namespace specdec {

// What a law keeps of each token: of 150,000 of them, floats.
template <typename Scalar>
struct StoredAs {
  using Type = Scalar;
};
template <>
struct StoredAs<double> {
  using Type = float;
};

// For what is written whole: of a large vocabulary, zeros take a third of the time of a law.
template <typename Stored>
std::shared_ptr<Stored[]> uninitialised(std::size_t size) {
  return std::make_shared_for_overwrite<Stored[]>(size);
}

template <typename Scalar>
struct BasicResidual;

// Sums to one. Scalar: the type of chances; a double, or one that computes exactly, for proofs. A point mass is kept as
// such, so that greedy decoding never touches the vocabulary. Copies share what they keep.
template <typename Scalar>
class BasicDistribution {
 public:
  using Stored = typename StoredAs<Scalar>::Type;

  static BasicDistribution point(TokenId token, int size) {
    SPECDEC_ASSERT(index(token) >= 0 && index(token) < size);
    return BasicDistribution(token, size);
  }
  // In proportion to weights, which are >= 0, finite and not all zero.
  explicit BasicDistribution(const std::vector<Stored>& weights) : BasicDistribution(weights, Scalar(0)) {
    for (const Stored& weight : weights) total_ += Scalar(weight);
    SPECDEC_ASSERT(total_ > Scalar(0));
  }
  // total: the sum of the weights.
  BasicDistribution(const std::vector<Stored>& weights, Scalar total)
      : size_(static_cast<int>(weights.size())), total_(std::move(total)) {
    const auto kept = uninitialised<Stored>(weights.size());
    std::ranges::copy(weights, kept.get());
    weights_ = kept;
  }
  // weights: (size).
  BasicDistribution(std::shared_ptr<const Stored[]> weights, std::size_t size, Scalar total)
      : size_(static_cast<int>(size)), weights_(std::move(weights)), total_(std::move(total)) {}

  int size() const { return size_; }
  std::optional<TokenId> certain() const { return certain_; }  // the token of a point mass
  std::span<const Stored> weights() const { return {weights_.get(), certain_ ? 0 : static_cast<std::size_t>(size_)}; }
  const Scalar& total() const { return total_; }  // of the weights; of a point mass there are none
  Scalar operator[](TokenId token) const {
    SPECDEC_DASSERT(index(token) >= 0 && index(token) < size_);
    if (certain_) return Scalar(token == *certain_ ? 1 : 0);
    return Scalar(weights_[slot(token)]) / total_;
  }

  // Inverse of the cumulative sum in the order of ids, u in [0, 1). A token of probability zero is never drawn.
  TokenId sample(const Scalar& u) const {
    if (certain_) return *certain_;
    const Scalar wanted = u * total_;
    Scalar cumulative(0);
    std::size_t last = 0;
    for (std::size_t i = 0; i < weights().size(); ++i) {
      if (weights_[i] == Stored(0)) continue;
      cumulative += Scalar(weights_[i]);
      last = i;
      if (wanted < cumulative) break;
    }
    return TokenId{static_cast<std::int32_t>(last)};  // rounding may leave the sum just below u
  }

  TokenId likeliest() const {  // of equals the lowest
    if (certain_) return *certain_;
    const auto most = std::ranges::max_element(weights());
    return TokenId{static_cast<std::int32_t>(most - weights().begin())};
  }

  bool operator==(const BasicDistribution& other) const {
    if (certain_ || other.certain_) return certain_ == other.certain_ && size_ == other.size_;
    return weights_ == other.weights_ || (std::ranges::equal(weights(), other.weights()) && total_ == other.total_);
  }

  template <typename S, typename Part>
  friend std::optional<BasicResidual<S>> rest_of(const BasicDistribution<S>& p, const BasicDistribution<S>& q,
                                                 const Part& part);
  template <typename S>
  friend S sum_min(const BasicDistribution<S>& p, const BasicDistribution<S>& q, const S& scale);

 private:
  BasicDistribution(TokenId token, int size) : certain_(token), size_(size) {}
  static std::size_t slot(TokenId token) { return static_cast<std::size_t>(index(token)); }

  std::optional<TokenId> certain_;
  int size_;
  std::shared_ptr<const Stored[]> weights_;  // (size), null for a point mass
  Scalar total_{0};
};

using Distribution = BasicDistribution<double>;

// The same with vector instructions.
template <>
TokenId BasicDistribution<double>::sample(const double& u) const;

template <typename Scalar>
struct BasicResidual {
  BasicDistribution<Scalar> law;
  Scalar mass;  // before it was normalised
};

// The law in proportion to max(0, part(p(x), q(x))), which is 0 wherever p is. Nothing if it is 0 everywhere.
template <typename Scalar, typename Part>
std::optional<BasicResidual<Scalar>> rest_of(const BasicDistribution<Scalar>& p, const BasicDistribution<Scalar>& q,
                                             const Part& part) {
  SPECDEC_ASSERT(p.size() == q.size());
  if (p.certain()) {
    const Scalar mass = part(Scalar(1), q[*p.certain()]);
    if (!(mass > Scalar(0))) return std::nullopt;
    return BasicResidual<Scalar>{p, mass};
  }
  using Stored = typename BasicDistribution<Scalar>::Stored;
  const std::size_t size = p.weights().size();
  const std::shared_ptr<Stored[]> left = uninitialised<Stored>(size);
  const Scalar of_p = Scalar(1) / p.total_;
  Scalar mass(0);
  const auto keep = [&](std::size_t i, const Scalar& q_of_i) {
    const Scalar rest = part(Scalar(Scalar(p.weights_[i]) * of_p), q_of_i);
    left[i] = static_cast<Stored>(rest > Scalar(0) ? rest : Scalar(0));
    mass += Scalar(left[i]);
  };
  if (q.certain()) {
    const auto one = static_cast<std::size_t>(index(*q.certain()));
    for (std::size_t i = 0; i < size; ++i) keep(i, Scalar(i == one ? 1 : 0));
  } else {
    const Scalar of_q = Scalar(1) / q.total_;
    for (std::size_t i = 0; i < size; ++i) keep(i, Scalar(q.weights_[i]) * of_q);
  }
  if (!(mass > Scalar(0))) return std::nullopt;
  return BasicResidual<Scalar>{BasicDistribution<Scalar>(left, size, mass), mass};
}

// norm([scale p - q]+). Nothing when scale p <= q everywhere, which for scale 1 exact arithmetic allows only for p = q.
template <typename Scalar>
std::optional<BasicResidual<Scalar>> residual(const BasicDistribution<Scalar>& p, const BasicDistribution<Scalar>& q,
                                              const Scalar& scale) {
  return rest_of(p, q, [&scale](const Scalar& of_p, const Scalar& of_q) { return Scalar(scale * of_p - of_q); });
}

// The same with vector instructions.
template <>
std::optional<BasicResidual<double>> residual(const Distribution& p, const Distribution& q, const double& scale);

template <typename Scalar>
std::optional<BasicDistribution<Scalar>> residual(const BasicDistribution<Scalar>& p,
                                                  const BasicDistribution<Scalar>& q) {
  auto left = residual(p, q, Scalar(1));
  if (!left) return std::nullopt;
  return std::move(left->law);
}

// Sum over x of min(scale p(x), q(x)); with scale 1 the chance that a guess drawn from q is accepted.
template <typename Scalar>
Scalar sum_min(const BasicDistribution<Scalar>& p, const BasicDistribution<Scalar>& q, const Scalar& scale) {
  SPECDEC_ASSERT(p.size() == q.size());
  if (p.certain()) return std::min(scale, q[*p.certain()]);
  if (q.certain()) return std::min(Scalar(scale * p[*q.certain()]), Scalar(1));
  Scalar sum(0);
  const Scalar of_p = scale / p.total_;
  const Scalar of_q = Scalar(1) / q.total_;
  for (std::size_t i = 0; i < p.weights().size(); ++i)
    sum += std::min(Scalar(p.weights_[i]) * of_p, Scalar(q.weights_[i]) * of_q);
  return sum;
}
template <typename Scalar>
Scalar sum_min(const BasicDistribution<Scalar>& p, const BasicDistribution<Scalar>& q) {
  return sum_min(p, q, Scalar(1));
}

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
  Distribution distribution_of_row(const MatView& logits, int row) const;  // an error names the row

  void check() const;  // throws UsageError that names the option and its range
};

// The largest logit's column, ties to the lowest. Throws Error on a NaN or +inf and when nothing is finite.
int argmax(std::span<const float> logits);

}  // namespace specdec

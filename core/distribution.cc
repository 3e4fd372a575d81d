#include "core/distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/kernels/laws.h"

namespace specdec {
namespace {

std::int64_t count_of(std::span<const float> values) { return static_cast<std::int64_t>(values.size()); }

// The places of all weights of at least `least`, ascending. Most of a vocabulary is below it, block after block.
std::vector<std::size_t> at_least(std::span<const float> weights, float least) {
  constexpr std::size_t kBlock = 256;
  std::vector<std::size_t> places;
  for (std::size_t begin = 0; begin < weights.size(); begin += kBlock) {
    const std::size_t end = std::min(weights.size(), begin + kBlock);
    if (law_kernels().largest(&weights[begin], static_cast<std::int64_t>(end - begin)) < least) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if (weights[i] >= least) places.push_back(i);
    }
  }
  return places;
}

double sum_of(std::span<const float> weights, std::span<const std::size_t> places) {
  double sum = 0;
  for (const std::size_t i : places) sum += static_cast<double>(weights[i]);
  return sum;
}

// Keeps what top-k, top-p and min-p let through, and returns its sum. each: weights relative to the surest token, which
// has 1. The surest tokens are looked for among those of large weight first.
double filter(std::span<float> each, double total, const Sampler& sampler) {
  std::vector<std::size_t> places;
  for (float least = 0x1p-5F;; least *= 0x1p-5F) {
    if (least < std::numeric_limits<float>::min()) least = 0;
    places = at_least(each, least);
    const bool enough_tokens = sampler.top_k == 0 || places.size() >= static_cast<std::size_t>(sampler.top_k);
    const bool enough_chance = sampler.top_p == 1 || sampler.top_k > 0 || sum_of(each, places) >= sampler.top_p * total;
    const bool only_min_p = sampler.top_k == 0 && sampler.top_p == 1;
    if (least == 0 || (only_min_p ? static_cast<double>(least) <= sampler.min_p : enough_tokens && enough_chance))
      break;
  }
  const auto surer = [&](std::size_t a, std::size_t b) { return each[a] != each[b] ? each[a] > each[b] : a < b; };
  std::ranges::sort(places, surer);
  if (sampler.top_k > 0) places.resize(std::min(places.size(), static_cast<std::size_t>(sampler.top_k)));
  if (sampler.top_p < 1) {
    const double wanted = sampler.top_p * (sampler.top_k > 0 ? sum_of(each, places) : total);
    double reached = 0;
    std::size_t kept = 0;
    while (kept < places.size() && reached < wanted) reached += static_cast<double>(each[places[kept++]]);
    places.resize(kept);
  }
  while (static_cast<double>(each[places.back()]) < sampler.min_p) places.pop_back();

  std::vector<float> kept;
  for (const std::size_t i : places) kept.push_back(each[i]);
  const double sum = sum_of(each, places);
  std::ranges::fill(each, 0.0F);
  for (std::size_t i = 0; i < places.size(); ++i) each[places[i]] = kept[i];
  return sum;
}

}  // namespace

template <>
TokenId BasicDistribution<double>::sample(const double& u) const {
  if (certain_) return *certain_;
  constexpr std::size_t kBlock = 1024;
  const std::span<const float> weights = this->weights();
  const double wanted = u * total_;
  double before = 0;
  for (std::size_t begin = 0; begin < weights.size(); begin += kBlock) {
    const std::size_t end = std::min(weights.size(), begin + kBlock);
    const double block = law_kernels().sum(&weights[begin], static_cast<std::int64_t>(end - begin));
    if (wanted < before + block) {
      double reached = before;
      for (std::size_t i = begin; i < end; ++i) {
        reached += static_cast<double>(weights[i]);
        if (weights[i] > 0 && wanted < reached) return TokenId{static_cast<std::int32_t>(i)};
      }
    }
    before += block;
  }
  const auto last = std::find_if(weights.rbegin(), weights.rend(), [](float weight) { return weight > 0; });
  return TokenId{static_cast<std::int32_t>(weights.rend() - last - 1)};  // rounding left the sum just below u
}

template <>
std::optional<BasicResidual<double>> residual(const Distribution& p, const Distribution& q, const double& scale) {
  SPECDEC_ASSERT(p.size() == q.size());
  const auto part = [&](double of_p, double of_q) { return scale * of_p - of_q; };
  if (p.certain()) return rest_of(p, q, part);
  const std::size_t size = p.weights().size();
  if (q.certain()) {
    if (scale * p[*q.certain()] > 1) return rest_of(p, q, part);  // by rounding
    const std::shared_ptr<float[]> others = uninitialised<float>(size);
    std::ranges::copy(p.weights(), others.get());
    others[static_cast<std::size_t>(index(*q.certain()))] = 0;
    const double total = law_kernels().sum(others.get(), count_of(p.weights()));
    if (!(total > 0)) return std::nullopt;
    return BasicResidual<double>{Distribution(others, size, total), scale * total / p.total()};
  }
  const std::shared_ptr<float[]> left = uninitialised<float>(size);
  const double mass =
      law_kernels().excess(p.weights().data(), static_cast<float>(scale / p.total()), q.weights().data(),
                           static_cast<float>(1 / q.total()), count_of(p.weights()), left.get());
  if (!(mass > 0)) return std::nullopt;
  return BasicResidual<double>{Distribution(left, size, mass), mass};
}

namespace {

// Throws what argmax() throws.
float largest_of(std::span<const float> logits) {
  const float largest = logits.empty() ? -INFINITY : law_kernels().largest(logits.data(), count_of(logits));
  if (std::isfinite(largest)) return largest;
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return std::isnan(x) || x == INFINITY; });
  if (bad == logits.end()) throw Error("none of {} logits is finite: the weights are damaged", logits.size());
  throw Error("the logit of column {} is {}: the weights are damaged or overflow float32", bad - logits.begin(), *bad);
}

}  // namespace

int argmax(std::span<const float> logits) {
  const float largest = largest_of(logits);
  return static_cast<int>(law_kernels().position_of(logits.data(), count_of(logits), largest));
}

Distribution Sampler::distribution(std::span<const float> logits, std::span<const TokenId> ids, int vocab) const {
  SPECDEC_ASSERT(ids.empty() || ids.size() == logits.size());
  if (vocab == 0) vocab = static_cast<int>(logits.size());
  SPECDEC_ASSERT(vocab >= static_cast<int>(logits.size()));
  if (temperature == 0) {
    const auto surest = static_cast<std::size_t>(argmax(logits));
    return Distribution::point(ids.empty() ? TokenId{static_cast<std::int32_t>(surest)} : ids[surest], vocab);
  }
  const float top = largest_of(logits);
  const std::shared_ptr<float[]> weights = uninitialised<float>(logits.size());
  const auto inverse = static_cast<float>(std::min(1 / temperature, 1e38));
  double total = law_kernels().weigh(logits.data(), count_of(logits), top, inverse, weights.get());
  if (top_k > 0 || top_p < 1 || min_p > 0) total = filter({weights.get(), logits.size()}, total, *this);
  const auto size = static_cast<std::size_t>(vocab);
  if (size == logits.size()) return Distribution(weights, size, total);
  const std::shared_ptr<float[]> spread = uninitialised<float>(size);
  std::fill_n(spread.get(), size, 0.0F);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    spread[ids.empty() ? i : static_cast<std::size_t>(index(ids[i]))] = weights[i];
  }
  return Distribution(spread, size, total);
}

Distribution Sampler::distribution_of_row(const MatView& logits, int row) const {
  try {
    return distribution(row_span(logits, row));
  } catch (const Error& error) {
    throw Error("row {} of the pass: {}", row, error.what());
  }
}

void Sampler::check() const {
  if (!(temperature >= 0 && std::isfinite(temperature))) {
    throw UsageError("temperature {}: expected 0 (greedy) or a positive number", temperature);
  }
  if (top_k < 0) throw UsageError("top-k {}: expected 0 (off) or a positive number", top_k);
  if (!(top_p > 0 && top_p <= 1)) throw UsageError("top-p {}: expected above 0 and at most 1 (off)", top_p);
  if (!(min_p >= 0 && min_p <= 1)) throw UsageError("min-p {}: expected 0 (off) to 1", min_p);
}

}  // namespace specdec

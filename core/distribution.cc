#include "core/distribution.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

std::size_t slot(TokenId token) { return static_cast<std::size_t>(index(token)); }

// Zeroes what top-k, top-p and min-p leave out. `weights` are relative to the surest token, which has 1.
void filter(std::vector<float>& weights, const Sampler& sampler) {
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto surer = [&](std::size_t a, std::size_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  };
  std::size_t kept = order.size();
  if (sampler.top_k > 0) kept = std::min(kept, static_cast<std::size_t>(sampler.top_k));
  if (kept < order.size()) {
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), surer);
  }
  if (sampler.top_p < 1) {
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(kept);
    double total = 0;
    for (auto i = order.begin(); i != end; ++i) total += static_cast<double>(weights[*i]);
    // Most of the mass is on few tokens: sort no more of a large vocabulary than is needed.
    double reached = 0;
    std::size_t taken = 0;
    for (std::size_t sorted = 0; taken < kept && reached < sampler.top_p * total;) {
      if (taken == sorted) {
        sorted = std::min(kept, std::max<std::size_t>(64, sorted * 8));
        std::partial_sort(order.begin() + static_cast<std::ptrdiff_t>(taken),
                          order.begin() + static_cast<std::ptrdiff_t>(sorted), end, surer);
      }
      reached += static_cast<double>(weights[order[taken++]]);
    }
    kept = taken;
  }
  for (std::size_t i = kept; i < order.size(); ++i) weights[order[i]] = 0;
  for (float& weight : weights) {
    if (static_cast<double>(weight) < sampler.min_p) weight = 0;
  }
}

}  // namespace

int argmax(std::span<const float> logits) {
  const Eigen::Map<const Eigen::ArrayXf> values(logits.data(), static_cast<Eigen::Index>(logits.size()));
  const float largest = logits.empty() ? -INFINITY : values.maxCoeff<Eigen::PropagateNaN>();
  if (!std::isfinite(largest)) {
    const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return std::isnan(x) || x == INFINITY; });
    if (bad == logits.end()) throw Error("none of {} logits is finite: the weights are damaged", logits.size());
    throw Error("the logit of column {} is {}: the weights are damaged or overflow float32", bad - logits.begin(),
                *bad);
  }
  return static_cast<int>(std::find(logits.begin(), logits.end(), largest) - logits.begin());
}

Distribution Sampler::distribution(std::span<const float> logits, std::span<const TokenId> ids, int vocab) const {
  SPECDEC_ASSERT(ids.empty() || ids.size() == logits.size());
  if (vocab == 0) vocab = static_cast<int>(logits.size());
  SPECDEC_ASSERT(vocab >= static_cast<int>(logits.size()));
  const auto surest = static_cast<std::size_t>(argmax(logits));
  if (temperature == 0) {
    return Distribution::point(ids.empty() ? TokenId{static_cast<std::int32_t>(surest)} : ids[surest], vocab);
  }
  std::vector<float> weights(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double below = static_cast<double>(logits[i]) - static_cast<double>(logits[surest]);
    weights[i] = static_cast<float>(std::exp(below / temperature));
  }
  if (top_k > 0 || top_p < 1 || min_p > 0) filter(weights, *this);
  if (ids.empty()) {
    weights.resize(static_cast<std::size_t>(vocab));
    return Distribution(std::move(weights));
  }
  std::vector<float> spread(static_cast<std::size_t>(vocab));
  for (std::size_t i = 0; i < ids.size(); ++i) spread[slot(ids[i])] = weights[i];
  return Distribution(std::move(spread));
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

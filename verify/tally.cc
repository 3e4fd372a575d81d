#include "verify/tally.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/traffic.h"

namespace specdec {
namespace {

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

void count_acceptance(const StepRecord& step, Tally& tally) {
  const auto accepted = static_cast<std::size_t>(step.accepted());
  const std::size_t tested = accepted + (step.rejected ? 1 : 0);
  if (tally.positions.size() < tested) tally.positions.resize(tested);
  for (std::size_t i = 0; i < tested; ++i) {
    ++tally.positions[i].tested;
    if (i < accepted) ++tally.positions[i].accepted;
  }
  tally.rejections += step.rejected;
}

void count_ranks(const StepRecord& step, Tally& tally) {
  std::vector<std::size_t> children(step.path.size());  // tested so far, of each row that stayed
  std::size_t at = 0;
  for (int row = 1; row < step.rows; ++row) {
    if (step.parents.at(static_cast<std::size_t>(row)) != step.path.at(at)) continue;
    const bool accepted = at + 1 < step.path.size() && step.path[at + 1] == row;
    if (!accepted && at + 1 == step.path.size() && !step.rejected) return;  // the text ends here
    const std::size_t rank = children[at]++;
    if (tally.ranks.size() <= rank) tally.ranks.resize(rank + 1);
    ++tally.ranks[rank].tested;
    tally.ranks[rank].accepted += accepted;
    at += accepted;
  }
}

std::vector<WokenExpert> woken_by_path(const StepRecord& step) {
  std::vector<char> stayed(static_cast<std::size_t>(step.rows));
  for (const int row : step.path) stayed[static_cast<std::size_t>(row)] = 1;
  std::vector<RouterUse> kept;
  kept.reserve(step.routed.size());
  for (const RouterUse& use : step.routed) {
    if (stayed[static_cast<std::size_t>(use.row)] != 0) kept.push_back(use);
  }
  return woken_experts(kept);
}

// Of a pass without guesses: a row has no expert twice.
std::vector<WokenExpert> woken_by_one(std::span<const RouterUse> routed) {
  std::vector<WokenExpert> woken;
  woken.reserve(routed.size());
  for (const RouterUse& use : routed) woken.push_back({use.layer, use.expert});
  return woken;
}

using Experts = std::vector<int>;

// experts[layer][row]: what the router chose, in order. What was there before is replaced, and its memory used again.
void take_experts(const StepRecord& step, std::vector<std::vector<Experts>>& experts) {
  for (auto& layer : experts) {
    layer.resize(static_cast<std::size_t>(step.rows));
    for (Experts& row : layer) row.clear();
  }
  for (const RouterUse& use : step.routed) {
    experts.at(static_cast<std::size_t>(use.layer)).at(static_cast<std::size_t>(use.row)).push_back(use.expert);
  }
  for (auto& layer : experts) {
    for (Experts& row : layer) std::ranges::sort(row);
  }
}

void add_pair(const Experts& a, const Experts& b, SharedTally& tally) {
  ++tally.pairs;
  for (auto in_a = a.begin(), in_b = b.begin(); in_a != a.end() && in_b != b.end();) {
    tally.shared += *in_a == *in_b;
    const bool next_b = *in_b <= *in_a;
    in_a += *in_a <= *in_b;
    in_b += next_b;
  }
}

bool stayed(const StepRecord& step, int row) { return std::ranges::find(step.path, row) != step.path.end(); }

void add_pairs(const StepRecord& step, std::span<const Experts> rows, Neighbours& overlap) {
  for (int row = 1; row < step.rows; ++row) {
    const int parent = step.parents.at(static_cast<std::size_t>(row));
    SharedTally& pairs = stayed(step, row) ? overlap.kept : stayed(step, parent) ? overlap.refused : overlap.beyond;
    add_pair(rows[static_cast<std::size_t>(parent)], rows[static_cast<std::size_t>(row)], pairs);
  }
}

}  // namespace

SharedTally& SharedTally::operator+=(const SharedTally& other) {
  pairs += other.pairs;
  shared += other.shared;
  return *this;
}

SharedTally Neighbours::rejected() const {
  SharedTally all = refused;
  return all += beyond;
}

Neighbours& Neighbours::operator+=(const Neighbours& other) {
  kept += other.kept;
  refused += other.refused;
  corrected += other.corrected;
  beyond += other.beyond;
  return *this;
}

double uniform_overlap(int experts, int experts_per_token) {
  return experts == 0 ? 0 : static_cast<double>(experts_per_token) * experts_per_token / experts;
}

std::vector<double> chances_by_rank(std::span<const PositionTally> ranks) {
  std::vector<double> chances;
  double left = 1;
  for (const PositionTally& rank : ranks) {
    chances.push_back(left * rank.rate());
    left -= chances.back();
  }
  return chances;
}

// 4: shorter repeats are common in any text, longer ones say the same later.
double repeated_ngrams(std::span<const TokenId> text) {
  constexpr std::size_t kLength = 4;
  std::vector<std::array<TokenId, kLength>> ngrams;
  for (std::size_t end = kLength; end <= text.size(); ++end)
    std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(end - kLength), kLength, ngrams.emplace_back().begin());
  std::ranges::sort(ngrams);
  const auto repeated = std::ranges::unique(ngrams).size();
  return ratio(static_cast<double>(repeated), static_cast<double>(ngrams.size()));
}

Tallying::Tallying(const ModelInfo& model, const WeightBytes& weights, Extras extras)
    : experts_(model.experts),
      experts_per_token_(model.experts_per_token),
      weights_(weights),
      extras_(extras),
      layers_(weights.expert.size()) {}

void Tallying::add(const StepRecord& step) {
  ++tally_.steps;
  tally_.tokens += static_cast<std::int64_t>(step.emitted.size());
  tally_.rows += step.rows;
  tally_.drafted += step.drafted();
  tally_.accepted += step.accepted();
  tally_.draft_passes += step.draft.passes;
  tally_.retokenised += step.draft.retokenised;
  count_acceptance(step, tally_);
  count_ranks(step, tally_);
  tally_.times += step.times;

  const auto woken = step.rows == 1 ? woken_by_one(step.routed) : woken_experts(step.routed);
  const bool all_stayed = step.path.size() == static_cast<std::size_t>(step.rows);
  const auto of_path = all_stayed ? std::vector<WokenExpert>() : woken_by_path(step);
  const auto& kept = all_stayed ? woken : of_path;
  for (const WokenExpert& use : woken) ++layers_.at(static_cast<std::size_t>(use.layer)).woken;
  for (const WokenExpert& use : kept) ++layers_.at(static_cast<std::size_t>(use.layer)).accepted;
  uniform_ += uniform_union(experts_, experts_per_token_, step.rows);

  const std::int64_t bytes = bytes_of_pass(weights_, step.rows, woken);
  const std::int64_t needed = all_stayed ? bytes : bytes_of_pass(weights_, static_cast<int>(step.path.size()), kept);
  tally_.bytes.draft += step.draft.bytes;
  tally_.bytes.accepted += needed;
  tally_.bytes.rejected += bytes - needed;

  if (extras_ == Extras::left_out) return;
  text_.insert(text_.end(), step.emitted.begin(), step.emitted.end());
  add_overlaps(step);
}

void Tallying::add_overlaps(const StepRecord& step) {
  if (step.rows == 1 && refused_at_.empty()) return;
  chosen_.resize(layers_.size());
  take_experts(step, chosen_);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    add_pairs(step, chosen_[i], layers_[i].overlap);
    if (!refused_at_.empty()) add_pair(refused_at_[i], chosen_[i].front(), layers_[i].overlap.corrected);
  }
  refused_at_.clear();
  for (std::size_t i = 0; i < layers_.size() && step.rejected; ++i)
    refused_at_.push_back(chosen_[i][static_cast<std::size_t>(step.path.back())]);
}

Tally Tallying::tally() const {
  Tally tally = tally_;
  const auto steps = static_cast<double>(tally.steps);
  tally.tokens_per_pass = ratio(static_cast<double>(tally.tokens), steps);
  tally.alpha = ratio(static_cast<double>(tally.accepted), static_cast<double>(tally.accepted + tally.rejections));
  tally.repeated_ngrams = repeated_ngrams(text_);
  tally.plain_bytes = static_cast<double>(bytes_of_plain_pass(weights_, experts_per_token_));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (weights_.expert[i] == 0) continue;
    LayerTally& layer = tally.layers.emplace_back(layers_[i]);
    layer.layer = static_cast<int>(i);
    tally.overlap += layer.overlap;
    layer.woken = ratio(layer.woken, steps);
    layer.uniform = ratio(uniform_, steps);
    layer.accepted = ratio(layer.accepted, steps);
    layer.rejected_only = layer.woken - layer.accepted;
  }
  return tally;
}

Tally tally_of(std::span<const StepRecord> records, const ModelInfo& model, const WeightBytes& weights) {
  Tallying tallying(model, weights);
  for (const StepRecord& step : records) tallying.add(step);
  return tallying.tally();
}

double expected_tokens_per_pass(double alpha, int depth) {
  double sum = 0;
  for (int i = 0; i <= depth; ++i) sum += std::pow(alpha, i);
  return sum;
}

Comparison compare(const Tally& speculative, const Tally& plain) {
  const double bytes_per_step =
      ratio(static_cast<double>(speculative.bytes.total()), static_cast<double>(speculative.steps));
  const double seconds_per_step = ratio(speculative.times.total_s(), static_cast<double>(speculative.steps));
  return {.break_even_bytes = ratio(bytes_per_step, plain.bytes_per_token()),
          .break_even_seconds = ratio(seconds_per_step, plain.seconds_per_token()),
          .byte_ratio = ratio(plain.bytes_per_token(), speculative.bytes_per_token()),
          .speed_up = ratio(plain.seconds_per_token(), speculative.seconds_per_token())};
}

}  // namespace specdec

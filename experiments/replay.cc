#include "experiments/replay.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

#include "core/error.h"
#include "draft/grow.h"
#include "verify/judging.h"

namespace specdec {
namespace {

// elders: the confidence of its elder siblings together.
Outlook outlook_of(const Node& guess, double elders) {
  if (guess.q) return specdec::outlook_of(*guess.q);
  const double left = 1 - elders;
  return {guess.token, left > 0 ? std::min(1.0, guess.confidence / left) : 0, guess.entropy, true};
}

// What is left of a recorded draft, and which recorded node each of its nodes was.
struct PrunedTree {
  DraftTree tree;
  std::vector<int> recorded;
};

PrunedTree prune(const DraftTree& whole, const Budget& budget) {
  PrunedTree left{DraftTree(whole[0].token, whole.position(0)), {0}};
  std::vector<int> kept(static_cast<std::size_t>(whole.size()), -1), children(kept.size());
  std::vector<double> elders(kept.size());
  std::vector<bool> closed(kept.size());  // the policy wanted no more children
  kept[0] = 0;
  for (int node = 1; node < whole.size() && left.tree.guesses() < budget.row_limit(); ++node) {
    const Node& guess = whole[node];
    const auto parent = static_cast<std::size_t>(guess.parent);
    if (kept[parent] < 0 || closed[parent] || guess.depth > budget.depth || children[parent] == budget.width) continue;
    if (budget.policy && !(budget.policy->extend(left.tree, kept[parent], budget) &&
                           budget.policy->adds(left.tree, kept[parent], outlook_of(guess, elders[parent]), budget))) {
      closed[parent] = true;
      continue;
    }
    ++children[parent];
    elders[parent] += guess.confidence;
    kept[static_cast<std::size_t>(node)] =
        left.tree.add(kept[parent], guess.token, guess.q, guess.confidence, guess.entropy);
    left.recorded.push_back(node);
  }
  return left;
}

Budget budget_of(const Recording& recording, Budget budget) {
  int depth = 0, rows = 0, width = 1;
  for (const RecordedStep& step : recording.steps) {
    depth = std::max(depth, step.tree.depth());
    rows = std::max(rows, step.tree.guesses());
    for (int node = 0; node < step.tree.size(); ++node)
      width = std::max(width, static_cast<int>(step.tree.children(node).size()));
  }
  if (budget.depth > depth)
    throw UsageError("k = {}: the record's drafts have {} guesses at most; record a run with more", budget.depth,
                     depth);
  if (budget.width > width)
    throw UsageError("width {}: the record's guesses have {} siblings at most; record a run with more", budget.width,
                     width);
  if (budget.depth == 0) budget.depth = depth;
  if (budget.width == 0) budget.width = width;
  if (budget.rows == 0) budget.rows = std::max(1, rows);
  return budget;
}

void check_answerable(const Recording& recording, const ReplayOptions& options, const Rule& rule) {
  if (options.budget.policy && options.budget.policy->reads_cost()) {
    throw UsageError("this policy decides by what passes cost, which a record does not say; run it instead");
  }
  if (recording.detail.top == 0) return;
  const Sampler& sampler = options.sampler;
  const int top = recording.detail.top;
  if (sampler.temperature == 0 && !rule.reads_likelihood) return;
  if (rule.reads_likelihood || sampler.temperature != recording.detail.temperature) {
    throw UsageError(
        "the record keeps the {} likeliest tokens, and how likely the others are together only at temperature {}; for "
        "another temperature, or rule {}, record without --record-top",
        top, recording.detail.temperature, rule.name);
  }
  if (sampler.top_p < 1) {
    throw UsageError("top-p {}: a record of the {} likeliest tokens cannot tell; record without --record-top",
                     sampler.top_p, top);
  }
  if (sampler.top_k > top) throw UsageError("top-k {}: the record keeps the {} likeliest tokens", sampler.top_k, top);
}

struct Counts {
  std::int64_t accepted = 0, drafted = 0, rejections = 0, unrecorded = 0;
  std::vector<PositionTally> positions;
};

void count(const DraftTree& tree, const Verdict& verdict, bool ended, Counts& counts) {
  const auto accepted = static_cast<std::size_t>(verdict.accepted());
  const bool rejected = !ended && tree.has_children(verdict.path.back());
  counts.accepted += verdict.accepted();
  counts.drafted += tree.guesses();
  counts.rejections += rejected ? 1 : 0;
  const std::size_t tested = accepted + (rejected ? 1 : 0);
  counts.positions.resize(std::max(counts.positions.size(), tested));
  for (std::size_t i = 0; i < tested; ++i) {
    ++counts.positions[i].tested;
    counts.positions[i].accepted += i < accepted ? 1 : 0;
  }
}

double mean_of(std::span<const double> values, std::span<const std::size_t> which) {
  double sum = 0;
  for (const std::size_t i : which) sum += values[i];
  return sum / static_cast<double>(which.size());
}

}  // namespace

ReplayOptions own_settings(const Recording& recording) {
  return {.rule = recording.rule, .sampler = recording.sampler, .seed = recording.seed, .budget = {.width = 0}};
}

Replayed replay(const Recording& recording, const ReplayOptions& options) {
  const Rule rule = make_rule(options.rule);
  options.sampler.check();
  if (options.judgings < 1) throw UsageError("{} judgings of each pass: expected 1 or more", options.judgings);
  const Budget budget = budget_of(recording, options.budget);
  if (rule.chains_only && budget.width > 1) {
    throw UsageError("rule {} judges chains, but the record has trees; use rule traversal, or --width 1", rule.name);
  }
  check_answerable(recording, options, rule);

  Replayed replayed{.rule = options.rule,
                    .lossless = rule.lossless && recording.verify_experts == 0,
                    .conditional = {},
                    .tokens_by_step = {}};
  replayed.judgings = options.sampler.temperature == 0 ? 1 : options.judgings;
  Counts counts;
  for (const RecordedStep& step : recording.steps) {
    const auto [tree, recorded] = prune(step.tree, budget);
    const Judging own(rule, options.sampler, Rng(options.seed));
    LazyLaws laws(tree.size(), [&, &recorded = recorded](int node) {
      const int row = recorded[static_cast<std::size_t>(node)];
      return step.rows[static_cast<std::size_t>(row)].law(own.sampler(), recording.law_size());
    });
    std::int64_t emitted = 0;
    for (int i = 0; i < replayed.judgings; ++i) {
      const Rng numbers = i == 0 ? Rng(options.seed) : Rng(options.seed).fork(static_cast<std::uint64_t>(i));
      Verdict verdict = Judging(rule, options.sampler, numbers)(tree, std::ref(laws));
      const bool ended = cut_after_end(tree, recording.eos, verdict.path);
      count(tree, verdict, ended, counts);
      counts.unrecorded += !ended && index(verdict.next) >= recording.vocab ? 1 : 0;
      emitted += verdict.accepted() + (ended ? 0 : 1);
      if (i > 0) continue;
      if (budget.policy) budget.policy->observe({tree, verdict});
      std::vector<int> path;
      for (const int node : verdict.path) path.push_back(recorded[static_cast<std::size_t>(node)]);
      const bool same = path == step.path && (ended || verdict.next == step.emitted.back());
      replayed.same_as_recorded += same ? 1 : 0;
      if (!same && !replayed.first_difference) replayed.first_difference = replayed.steps;
    }
    replayed.tokens_by_step.push_back(static_cast<double>(emitted) / replayed.judgings);
    ++replayed.steps;
  }

  const auto judged = static_cast<double>(replayed.steps) * replayed.judgings;
  replayed.drafted_per_pass = static_cast<double>(counts.drafted) / judged;
  replayed.unrecorded = static_cast<double>(counts.unrecorded) / judged;
  if (counts.accepted + counts.rejections > 0) {
    replayed.alpha = static_cast<double>(counts.accepted) / static_cast<double>(counts.accepted + counts.rejections);
  }
  for (const PositionTally& position : counts.positions) replayed.conditional.push_back(position.rate());
  replayed.tokens_per_pass = bootstrap(replayed.tokens_by_step.size(), [&](std::span<const std::size_t> which) {
    return mean_of(replayed.tokens_by_step, which);
  });
  return replayed;
}

Interval gain(const Replayed& with, const Replayed& without) {
  SPECDEC_ASSERT(with.steps == without.steps);
  std::vector<double> more;
  for (std::size_t i = 0; i < with.tokens_by_step.size(); ++i)
    more.push_back(with.tokens_by_step[i] - without.tokens_by_step[i]);
  return bootstrap(more.size(), [&](std::span<const std::size_t> which) { return mean_of(more, which); });
}

double largest_rest(const Recording& recording) {
  if (recording.detail.top == 0 || recording.sampler.temperature == 0) return 0;
  double largest = 0;
  for (const RecordedStep& step : recording.steps) {
    for (const RecordedRow& row : step.rows) {
      const Distribution law = row.law({.temperature = recording.detail.temperature}, recording.law_size());
      largest = std::max(largest, law[TokenId{recording.vocab}]);
    }
  }
  return largest;
}

}  // namespace specdec

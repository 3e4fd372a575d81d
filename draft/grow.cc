#include "draft/grow.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

struct Guess {
  TokenId token;
  std::optional<Distribution> q;
  double confidence;
  Outlook outlook;
};

bool reads_confidence(const Budget& budget) {
  return budget.tells_confidence || (budget.policy && budget.policy->reads_confidence());
}

std::vector<Guess> surest(std::span<const float> logits, int count, const DraftLaw& law, const Budget& budget) {
  const auto first = static_cast<std::size_t>(argmax(logits));
  if (budget.width == 1 && !reads_confidence(budget)) return {{law.token(first), {}, 1, {}}};

  std::vector<Guess> guesses;
  for (const LikelyToken& next : likeliest(logits, count, law))
    guesses.push_back({next.token, {}, next.confidence, next.outlook});
  return guesses;
}

std::vector<Guess> drawn(std::span<const float> logits, int count, const DraftLaw& law, const Rng& draws,
                         const Budget& budget) {
  std::vector<Guess> guesses;
  std::optional<Distribution> q = law.of(logits);
  if (budget.siblings == Siblings::independent) {
    const Outlook outlook = reads_confidence(budget) ? outlook_of(*q) : Outlook{};
    for (int rank = 0; rank < count; ++rank) {
      const TokenId token = q->sample(draws.uniform(static_cast<std::uint64_t>(rank)));
      guesses.push_back({token, q, (*q)[token], outlook});
    }
    return guesses;
  }
  double left = 1;  // of the whole law, after the elder siblings
  for (int rank = 0; rank < count && q; ++rank) {
    const Outlook outlook = reads_confidence(budget) ? outlook_of(*q) : Outlook{};
    const TokenId token = q->sample(draws.uniform(static_cast<std::uint64_t>(rank)));
    const double chance = (*q)[token];
    std::optional<Distribution> rest;
    if (rank + 1 < count) rest = residual(*q, Distribution::point(token, q->size()));
    guesses.push_back({token, std::move(q), left * chance, outlook});
    q = std::move(rest);
    left *= 1 - chance;
  }
  return guesses;
}

}  // namespace

Outlook outlook_of(const Distribution& law) {
  if (const auto token = law.certain()) return {*token, 1, 0, true};
  Outlook outlook{.surest = 0};
  for (int id = 0; id < law.size(); ++id) {
    const double chance = law[TokenId{id}];
    if (chance == 0) continue;
    outlook.entropy -= chance * std::log(chance);
    if (chance > outlook.surest) {
      outlook.likeliest = TokenId{id};
      outlook.surest = chance;
    }
  }
  return outlook;
}

std::vector<LikelyToken> likeliest(std::span<const float> known, int count, const DraftLaw& law) {
  const auto first = static_cast<std::size_t>(argmax(known));
  const Eigen::Map<const Eigen::ArrayXf> values(known.data(), static_cast<Eigen::Index>(known.size()));
  const Eigen::ArrayXf weights = (values - known[first]).exp();
  const double whole = weights.sum();
  double left = whole;  // of the weights, after the elder siblings
  double surprise =
      (weights > 0).select(weights * (known[first] - values), 0).sum();  // of what is left, not normalised
  std::vector<std::size_t> order(known.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t kept = std::min(order.size(), static_cast<std::size_t>(count));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](std::size_t a, std::size_t b) { return known[a] != known[b] ? known[a] > known[b] : a < b; });
  std::vector<LikelyToken> tokens;
  for (const std::size_t i : std::span(order).first(kept)) {
    const double weight = weights[static_cast<Eigen::Index>(i)];
    Outlook outlook{law.token(i), 0, 0, true};
    if (weight > 0 && left > 0) {
      outlook.surest = std::min(1.0, weight / left);
      outlook.entropy = std::max(0.0, std::log(left) + surprise / left);
      surprise -= weight * static_cast<double>(known[first] - known[i]);
      left -= weight;
    }
    tokens.push_back({law.token(i), weight / whole, outlook});
  }
  return tokens;
}

bool DraftColumns::are_all(std::size_t width) const {
  if (columns.size() != width) return false;
  for (std::size_t i = 0; i < width; ++i) {
    if (columns[i] != i) return false;
  }
  return true;
}

DraftColumns columns_of(std::span<const std::optional<TokenId>> tokens) {
  DraftColumns known;
  for (std::size_t column = 0; column < tokens.size(); ++column) {
    if (tokens[column]) known.columns.push_back(column);
  }
  std::ranges::sort(known.columns, {}, [&](std::size_t column) { return index(*tokens[column]); });
  for (const std::size_t column : known.columns) {
    SPECDEC_ASSERT(known.tokens.empty() || known.tokens.back() < *tokens[column]);
    known.tokens.push_back(*tokens[column]);
  }
  SPECDEC_ASSERT(!known.tokens.empty());
  return known;
}

DraftLaw::DraftLaw(const Sampler& sampler, int vocab, std::shared_ptr<const DraftColumns> columns)
    : sampler_(sampler), vocab_(vocab), columns_(std::move(columns)) {
  SPECDEC_ASSERT(!columns_ || index(columns_->tokens.back()) < vocab);
}

std::span<const float> DraftLaw::known(std::span<const float> logits, std::vector<float>& buffer) const {
  if (!columns_) return logits.first(std::min(logits.size(), static_cast<std::size_t>(vocab_)));
  if (columns_->are_all(logits.size())) return logits;
  buffer.resize(columns_->columns.size());
  for (std::size_t i = 0; i < buffer.size(); ++i) {
    SPECDEC_ASSERT(columns_->columns[i] < logits.size());
    buffer[i] = logits[columns_->columns[i]];
  }
  return buffer;
}

Distribution DraftLaw::of(std::span<const float> known) const {
  if (!columns_) return sampler_.distribution(known, {}, vocab_);
  return sampler_.distribution(known, columns_->tokens, vocab_);
}

void grow(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLaw& law, const LookAhead& look) {
  const auto may_extend = [&](int node) { return !budget.policy || budget.policy->extend(tree, node, budget); };
  std::vector<int> level{0};
  std::vector<int> place{0};        // of each node in a static tree
  std::vector<double> sureness{1};  // of each node: the product of confidences from the anchor
  std::vector<float> buffer;
  int rows_left = budget.row_limit();
  const auto most_children = [&](int node) {
    if (!budget.tree) return budget.width;
    return static_cast<int>(budget.tree->children(place[static_cast<std::size_t>(node)]).size());
  };

  for (int depth = 1; depth <= budget.depth && rows_left > 0; ++depth) {
    int share = budget.tree ? rows_left : std::max(1, rows_left / (budget.depth - depth + 1));
    std::stable_sort(level.begin(), level.end(), [&](int a, int b) {
      return sureness[static_cast<std::size_t>(a)] > sureness[static_cast<std::size_t>(b)];
    });
    std::vector<int> parents;
    int planned = 0;
    for (const int node : level) {
      if (planned >= share || most_children(node) == 0 || !may_extend(node)) continue;
      parents.push_back(node);
      planned += most_children(node);
    }
    if (parents.empty()) return;

    const MatView logits = look(parents);
    level.clear();
    for (std::size_t i = 0; i < parents.size(); ++i) {
      const int parent = parents[i];
      const auto known = law.known(row_span(logits, static_cast<Eigen::Index>(i)), buffer);
      const int count = std::min(most_children(parent), share);
      const Rng draws = rng.fork(static_cast<std::uint64_t>(tree.position(parent)) + 1).fork(i);
      auto guesses =
          law.sampler().temperature == 0 ? surest(known, count, law, budget) : drawn(known, count, law, draws, budget);
      for (std::size_t rank = 0; rank < guesses.size(); ++rank) {
        Guess& guess = guesses[rank];
        // How many guesses are drawn independently must be settled before the first of them is: k-seq accepts by their
        // number.
        const bool asks = rank == 0 || budget.siblings != Siblings::independent;
        if (rank > 0 && asks && !may_extend(parent)) break;
        if (asks && budget.policy && reads_confidence(budget) &&
            !budget.policy->adds(tree, parent, guess.outlook, budget))
          break;
        level.push_back(tree.add(parent, guess.token, std::move(guess.q), guess.confidence, guess.outlook.entropy));
        sureness.push_back(sureness[static_cast<std::size_t>(parent)] * guess.confidence);
        if (budget.tree) place.push_back(budget.tree->children(place[static_cast<std::size_t>(parent)])[rank]);
        --share;
        --rows_left;
      }
    }
  }
}

void grow(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLaw& law, const OwnId& own_id,
          const DraftLook& look) {
  std::vector<int> row_of_node{-1};
  int next_row = 0;
  grow(tree, budget, rng, law, [&](std::span<const int> nodes) {
    DraftRows rows;
    if (nodes.front() == 0) return look(rows);
    row_of_node.resize(static_cast<std::size_t>(tree.size()), -1);
    for (const int node : nodes) {
      rows.add(own_id(tree[node].token), row_of_node[static_cast<std::size_t>(tree[node].parent)]);
      row_of_node[static_cast<std::size_t>(node)] = next_row++;
    }
    return look(rows);
  });
}

}  // namespace specdec

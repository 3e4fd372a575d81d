#include "verify/judging.h"

#include <algorithm>
#include <utility>

namespace specdec {
namespace {

enum Purpose : std::uint64_t { kGuess, kJudge };  // streams that must not meet

class LikeliestDice : public RngDice {
 public:
  using RngDice::RngDice;
  TokenId draw(const Distribution& law, int) override { return law.likeliest(); }
};

}  // namespace

Rng drafters_numbers(const Rng& session, int anchor) {
  return session.fork(kGuess).fork(static_cast<std::uint64_t>(anchor));
}

Judging::Judging(const Rule& rule, const Sampler& sampler, const Rng& session)
    : rule_(rule),
      shown_(sampler),
      takes_likeliest_(rule.reads_likelihood && sampler.temperature == 0),
      numbers_(session.fork(kJudge)) {
  if (takes_likeliest_) shown_ = {.temperature = 1};
}

Verdict Judging::operator()(const DraftTree& tree, const Laws& laws) const {
  RngDice drawing(numbers_, tree.position(0));
  LikeliestDice greedy(numbers_, tree.position(0));
  return rule_.judge(tree, laws, takes_likeliest_ ? greedy : drawing);
}

LazyLaws::LazyLaws(int nodes, std::function<Distribution(int node)> make)
    : make_(std::move(make)), made_(static_cast<std::size_t>(nodes)) {}

const Distribution& LazyLaws::operator()(int node) {
  std::optional<Distribution>& law = made_[static_cast<std::size_t>(node)];
  if (!law) law = make_(node);
  return *law;
}

bool cut_after_end(const DraftTree& tree, std::span<const TokenId> eos, std::vector<int>& path) {
  const auto ends = [&](int node) { return std::ranges::find(eos, tree[node].token) != eos.end(); };
  const auto end = std::find_if(path.begin() + 1, path.end(), ends);
  if (end == path.end()) return false;
  path.erase(end + 1, path.end());
  return true;
}

}  // namespace specdec

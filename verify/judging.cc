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

LazyLaws::LazyLaws(int nodes, std::function<Distribution(int node)> make, int vocab, Pool* pool)
    : make_(std::move(make)), made_(static_cast<std::size_t>(nodes)), failed_(made_.size()) {
  constexpr int kLeastVocab = 1 << 15;  // a smaller law is made before a thread wakes
  pool_ = pool != nullptr && pool->threads() > 1 && vocab >= kLeastVocab ? pool : nullptr;
}

void LazyLaws::make(int node) {
  const auto i = static_cast<std::size_t>(node);
  try {
    made_[i] = make_(node);
  } catch (...) {
    failed_[i] = std::current_exception();
  }
}

const Distribution& LazyLaws::operator()(int node) {
  const auto asked = static_cast<std::size_t>(node);
  if (!made_[asked] && !failed_[asked]) {
    std::vector<int> wanted{node};
    const std::size_t most = pool_ != nullptr ? static_cast<std::size_t>(pool_->threads()) : 1;
    for (std::size_t i = asked + 1; i < made_.size() && wanted.size() < most; ++i) {
      if (!made_[i] && !failed_[i]) wanted.push_back(static_cast<int>(i));
    }
    if (wanted.size() == 1) {
      make(node);
    } else {
      pool_->for_each(static_cast<std::int64_t>(wanted.size()),
                      [&](std::int64_t i) { make(wanted[static_cast<std::size_t>(i)]); });
    }
  }
  if (failed_[asked]) std::rethrow_exception(failed_[asked]);
  return *made_[asked];
}

bool cut_after_end(const DraftTree& tree, std::span<const TokenId> eos, std::vector<int>& path) {
  const auto ends = [&](int node) { return std::ranges::find(eos, tree[node].token) != eos.end(); };
  const auto end = std::find_if(path.begin() + 1, path.end(), ends);
  if (end == path.end()) return false;
  path.erase(end + 1, path.end());
  return true;
}

}  // namespace specdec

// Whether texts that a session makes follow the exact law of the target, by chi-square: for targets of five tokens.
//   EXPECT_LT(deviation_of(target, make_drafter, sampled(), {.temperature = 1}, {.depth = 3}), kSuspicious);
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

#include "core/kinds.h"
#include "draft/drafter.h"
#include "verify/session.h"

namespace specdec {

inline const std::vector<TokenId> kPrompt{TokenId{1}, TokenId{0}, TokenId{3}};
constexpr int kCapacity = 256;
constexpr double kSuspicious = 4;  // one-sided chance of 3e-5 when the law is right

inline const Rule& sampled() {
  static const Rule rule = make_rule("sampled");
  return rule;
}

inline std::vector<TokenId> generate(const Model& target, Drafter& drafter, const Rule& rule, const Sampler& sampler,
                                     const Budget& budget, int tokens, const Rng& rng) {
  Session session(target, drafter, rule, sampler, {.budget = budget, .max_tokens = tokens, .capacity = kCapacity}, rng);
  session.prefill(kPrompt);
  while (!session.done()) session.step();
  return {session.generated().begin(), session.generated().end()};
}

constexpr int kVocab = 5;
constexpr int kTokens = 3;

// The chance of every text of kTokens tokens after kPrompt; text i has token (i / kVocab^position) % kVocab.
inline std::vector<double> exact_law(const Model& model, const Sampler& sampler) {
  std::vector<double> law{1};
  int texts = 1;
  for (int position = 0; position < kTokens; ++position, texts *= kVocab) {
    std::vector<double> longer(static_cast<std::size_t>(texts) * kVocab);
    for (int text = 0; text < texts; ++text) {
      Batch batch{kPrompt, {-1, 0, 1}};
      for (int rest = text, i = 0; i < position; ++i, rest /= kVocab) {
        batch.tokens.push_back(TokenId{rest % kVocab});
        batch.parents.push_back(static_cast<int>(batch.tokens.size()) - 2);
      }
      const auto state = model.new_state(kCapacity);
      const MatView logits = model.forward(batch, *state, {}).logits;
      const Distribution next = sampler.distribution_of_row(logits, static_cast<int>(logits.rows()) - 1);
      for (int token = 0; token < kVocab; ++token) {
        longer[static_cast<std::size_t>(text + token * texts)] =
            law[static_cast<std::size_t>(text)] * next[TokenId{token}];
      }
    }
    law = std::move(longer);
  }
  return law;
}

// How far the samples are from the law, in standard deviations of chi-square (Wilson and Hilferty 1931). Texts that are
// expected less than 5 times count as one.
inline double deviation(const std::vector<int>& counts, const std::vector<double>& law) {
  const double samples = std::accumulate(counts.begin(), counts.end(), 0.0);
  double chi_square = 0, rare_expected = 0, rare_count = 0;
  int cells = 0;
  const auto add = [&](double count, double expected) {
    chi_square += (count - expected) * (count - expected) / expected;
    ++cells;
  };
  for (std::size_t i = 0; i < law.size(); ++i) {
    const double expected = law[i] * samples;
    if (expected >= 5) {
      add(counts[i], expected);
    } else {
      rare_expected += expected;
      rare_count += counts[i];
    }
  }
  if (rare_expected > 0) {
    add(rare_count, rare_expected);
  } else if (rare_count > 0) {
    return 1e9;  // a text of probability zero
  }
  const double freedom = cells - 1;
  const double spread = 2 / (9 * freedom);
  return (std::cbrt(chi_square / freedom) - (1 - spread)) / std::sqrt(spread);
}

using MakeDrafter = std::function<std::unique_ptr<Drafter>()>;

inline double deviation_of(const Model& target, const MakeDrafter& make, const Rule& rule, const Sampler& sampler,
                           const Budget& budget) {
  constexpr int kSamples = 20000;  // enough for every planted mistake to fail by far
  const auto law = exact_law(target, sampler);
  std::vector<int> counts(law.size());
  for (int i = 0; i < kSamples; ++i) {
    // Two more tokens, so that no draft is cut short within those that are counted.
    const auto text =
        generate(target, *make(), rule, sampler, budget, kTokens + 2, Rng(7).fork(static_cast<std::uint64_t>(i)));
    int at = 0;
    for (std::size_t position = kTokens; position-- > 0;) at = at * kVocab + index(text[position]);
    ++counts[static_cast<std::size_t>(at)];
  }
  return deviation(counts, law);
}

}  // namespace specdec

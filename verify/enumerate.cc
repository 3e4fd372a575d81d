#include "verify/enumerate.h"

#include <algorithm>
#include <optional>

#include "core/error.h"

namespace specdec {
namespace {

std::size_t possible(const std::vector<Rational>& chances, std::size_t from) {
  while (from < chances.size() && !(chances[from] > Rational(0))) ++from;
  return from;
}

void grow(ExactTree& tree, int node, const ExactText& text, const DraftShape& shape, const ExactModel& drafter,
          ExactDice& dice) {
  if (tree[node].depth == shape.depth) return;
  if (shape.adaptive && node > 0 && index(tree[node].token) == 0) return;
  const ExactLaw whole = drafter(text);
  std::optional<ExactLaw> law = whole;
  std::vector<int> added;
  for (int rank = 0; rank < shape.children && law; ++rank) {
    const bool settled = shape.siblings == Siblings::independent || added.empty();
    if (shape.adaptive && !settled && index(tree[added.front()].token) == 0) break;
    const TokenId token = dice.draw(*law, 0);
    added.push_back(tree.add(node, token, shape.certain ? std::nullopt : law));
    if (shape.siblings == Siblings::distinct) law = residual(*law, ExactLaw::point(token, law->size()));
  }
  for (const int child : added) {
    ExactText longer = text;
    longer.push_back(index(tree[child].token));
    grow(tree, child, longer, shape, drafter, dice);
  }
}

ExactText text_to(const ExactTree& tree, int node) {
  ExactText text;
  for (; node > 0; node = tree[node].parent) text.push_back(index(tree[node].token));
  std::ranges::reverse(text);
  return text;
}

void add_plain(const ExactModel& target, const ExactText& text, const Rational& chance, int length,
               TextChances& texts) {
  if (static_cast<int>(text.size()) >= length) {
    texts[ExactText(text.begin(), text.begin() + length)] += chance;
    return;
  }
  const ExactLaw next = target(text);
  for (int token = 0; token < next.size(); ++token) {
    const Rational share = next[TokenId{token}];
    if (!(share > Rational(0))) continue;
    ExactText longer = text;
    longer.push_back(token);
    add_plain(target, longer, chance * share, length, texts);
  }
}

}  // namespace

void EveryOutcome::for_each(const std::function<void()>& run) {
  do {
    next_ = 0;
    chance_ = Rational(1);
    run();
  } while (advance());
}

bool EveryOutcome::accept(const Rational& chance, int, int) {
  const Rational taken = std::clamp(chance, Rational(0), Rational(1));
  return choose_one({Rational(1) - taken, taken}) == 1;
}

int EveryOutcome::choose(std::span<const Rational> chances, int) {
  std::vector<Rational> all(chances.begin(), chances.end());
  Rational none(1);
  for (const Rational& chance : chances) none -= chance;
  all.push_back(none);
  const std::size_t chosen = choose_one(std::move(all));
  return chosen == chances.size() ? -1 : static_cast<int>(chosen);
}

TokenId EveryOutcome::draw(const ExactLaw& law, int) {
  std::vector<Rational> chances;
  for (int token = 0; token < law.size(); ++token) chances.push_back(law[TokenId{token}]);
  return TokenId{static_cast<std::int32_t>(choose_one(std::move(chances)))};
}

std::size_t EveryOutcome::choose_one(std::vector<Rational> chances) {
  if (next_ == choices_.size()) {
    const std::size_t first = possible(chances, 0);
    choices_.push_back({first, std::move(chances)});
  }
  const Choice& choice = choices_[next_++];
  chance_ *= choice.chances[choice.taken];
  return choice.taken;
}

bool EveryOutcome::advance() {
  for (; !choices_.empty(); choices_.pop_back()) {
    Choice& last = choices_.back();
    last.taken = possible(last.chances, last.taken + 1);
    if (last.taken < last.chances.size()) return true;
  }
  return false;
}

std::string DraftShape::text() const {
  return fmt::format("depth {}, {} {} children{}{}", depth, children,
                     siblings == Siblings::distinct ? "distinct" : "independent", certain ? ", laws not told" : "",
                     adaptive ? ", of a length that depends on the guesses" : "");
}

ExactOutcome outcome_of(const BasicJudge<Rational>& judge, const ExactModel& target, const ExactModel& drafter,
                        const DraftShape& shape, int length) {
  ExactOutcome outcome;
  EveryOutcome dice;
  dice.for_each([&] {
    ExactTree tree(TokenId{0}, 0);
    grow(tree, 0, {}, shape, drafter, dice);
    std::vector<ExactLaw> laws;
    for (int node = 0; node < tree.size(); ++node) laws.push_back(target(text_to(tree, node)));
    const auto law_after = [&](int node) -> const ExactLaw& { return laws[static_cast<std::size_t>(node)]; };
    const Verdict verdict = judge(tree, law_after, dice);
    ExactText text = text_to(tree, verdict.path.back());
    text.push_back(index(verdict.next));
    outcome.emitted += dice.chance() * Rational(static_cast<int>(text.size()));
    add_plain(target, text, dice.chance(), length, outcome.texts);
  });
  return outcome;
}

TextChances plain_chances(const ExactModel& target, int length) {
  TextChances texts;
  add_plain(target, {}, Rational(1), length, texts);
  return texts;
}

Rational total_variation(const TextChances& a, const TextChances& b) {
  Rational sum(0);
  const auto add = [&](const TextChances& one, const TextChances& other) {
    for (const auto& [text, chance] : one) {
      const auto there = other.find(text);
      const Rational more = there == other.end() ? chance : chance - there->second;
      if (more > Rational(0)) sum += more;
    }
  };
  add(a, b);
  add(b, a);
  return sum / Rational(2);
}

ExactModel random_exact_model(const Rng& rng, int vocab) {
  // Laws are asked for many times: they are made once.
  auto made = std::make_shared<std::map<ExactText, ExactLaw>>();
  return [=](const ExactText& text) {
    if (const auto known = made->find(text); known != made->end()) return known->second;
    Rng at = rng;
    for (const int token : text) at = at.fork(static_cast<std::uint64_t>(token));
    constexpr std::uint64_t kMostWeight = 7;
    const bool filtered = rng.bits(0) % 3 == 0;
    std::vector<Rational> weights;
    for (int token = 0; token < vocab; ++token) {
      const std::uint64_t weight = 1 + at.bits(static_cast<std::uint64_t>(token) + 1) % kMostWeight;
      weights.emplace_back(static_cast<int>(weight));
    }
    if (filtered)
      weights[at.bits(static_cast<std::uint64_t>(vocab) + 1) % static_cast<std::uint64_t>(vocab)] = Rational(0);
    return made->emplace(text, ExactLaw(weights)).first->second;
  };
}

std::vector<DraftShape> draft_shapes(bool chains_only) {
  std::vector<DraftShape> shapes{{.depth = 0},
                                 {.depth = 1},
                                 {.depth = 2},
                                 {.depth = 3},
                                 {.depth = 2, .certain = true},
                                 {.depth = 3, .adaptive = true}};
  if (chains_only) return shapes;
  shapes.push_back({.depth = 1, .children = 2});
  shapes.push_back({.depth = 1, .children = 3});
  shapes.push_back({.depth = 1, .children = 2, .certain = true});
  shapes.push_back({.depth = 1, .children = 2, .siblings = Siblings::independent});
  shapes.push_back({.depth = 1, .children = 3, .siblings = Siblings::independent});
  shapes.push_back({.depth = 2, .children = 2, .adaptive = true});
  return shapes;
}

ExactCheck check_exactly(const Rule& rule, int models, const Rng& rng) {
  SPECDEC_ASSERT(rule.exact_judge != nullptr);
  constexpr int kVocab = 3;
  const std::vector<DraftShape> shapes = draft_shapes(rule.chains_only);
  ExactCheck check{.shapes = static_cast<int>(shapes.size())};
  for (; check.models < models; ++check.models) {
    const Rng of_pair = rng.fork(static_cast<std::uint64_t>(check.models));
    const ExactModel target = random_exact_model(of_pair.fork(0), kVocab);
    const ExactModel drafter = random_exact_model(of_pair.fork(1), kVocab);
    const DraftShape& shape = shapes[static_cast<std::size_t>(check.models) % shapes.size()];
    const int length = shape.depth + 1;
    const Rational distance = total_variation(outcome_of(rule.exact_judge, target, drafter, shape, length).texts,
                                              plain_chances(target, length));
    if (distance == Rational(0)) continue;
    if (check.wrong++ == 0) check.first_wrong = fmt::format("models {}, {}", check.models, shape.text());
    check.largest_distance = std::max(check.largest_distance, static_cast<double>(distance));
  }
  return check;
}

}  // namespace specdec

#include "experiments/acceptance.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "core/batch.h"
#include "core/error.h"
#include "core/kinds.h"
#include "tokenizers/utf8.h"
#include "tokenizers/vocab_corpus.h"
#include "tokenizers/vocab_map.h"

namespace specdec {
namespace {

constexpr std::size_t kPartBytes = 3000;  // of the text, read as a text of its own
constexpr std::size_t kRows = 64;         // of a pass

// Pieces of whole characters and, where there are any, whole lines.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    std::string_view part = text.substr(0, kPartBytes);
    if (part.size() < text.size()) {
      part.remove_suffix(utf8_cut_suffix(part));
      if (const std::size_t line = part.rfind('\n'); line != part.npos) part = part.substr(0, line + 1);
    }
    parts.push_back(part);
    text.remove_prefix(part.size());
  }
  return parts;
}

std::vector<TokenId> tokens_of(const Tokenizer& tokenizer, std::string_view part, const ModelInfo& info) {
  std::vector<TokenId> tokens = tokenizer.frame().before;
  const std::vector<TokenId> inside = tokenizer.encode(part);
  tokens.insert(tokens.end(), inside.begin(), inside.end());
  tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(info.context)));
  return tokens;
}

// The logits and hidden states after every token, pass by pass: see(first token of the pass, its tokens, what came
// out).
using SeePass = std::function<void(std::size_t, std::span<const TokenId>, const Output&)>;
void run_over(const Model& model, std::span<const TokenId> tokens, const Taps& taps, const SeePass& see) {
  const auto state = model.new_state(static_cast<int>(tokens.size()));
  for (std::size_t at = 0; at < tokens.size(); at += kRows) {
    const auto pass = tokens.subspan(at, std::min(kRows, tokens.size() - at));
    const Output out = model.forward(chain_of(pass), *state, taps);
    see(at, pass, out);
    state->commit(whole_chain(static_cast<int>(pass.size())));
  }
}

// Of softmax(logits), what is on the ids that `is_shared`.
double mass_of(std::span<const float> logits, const std::vector<bool>& is_shared) {
  const auto most = static_cast<double>(logits[static_cast<std::size_t>(argmax(logits))]);
  double shared = 0, all = 0;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    const double weight = std::exp(static_cast<double>(logits[id]) - most);
    all += weight;
    if (is_shared[id]) shared += weight;
  }
  return shared / all;
}

struct Mean {
  double sum = 0;
  int count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return count == 0 ? 0 : sum / count; }
};

Mean mass_over(const Model& model, const Tokenizer& tokenizer, std::string_view text,
               const std::vector<bool>& is_shared) {
  Mean mean;
  for (const std::string_view part : parts_of(text)) {
    const std::vector<TokenId> tokens = tokens_of(tokenizer, part, model.info());
    run_over(model, tokens, {}, [&](std::size_t, std::span<const TokenId> pass, const Output& out) {
      for (std::size_t row = 0; row < pass.size(); ++row) {
        mean.add(mass_of(row_span(out.logits, static_cast<Eigen::Index>(row)), is_shared));
      }
    });
  }
  return mean;
}

TokenId likeliest(const Node& guess) {
  if (!guess.q) return guess.token;
  TokenId best{0};
  for (int id = 1; id < guess.q->size(); ++id) {
    if ((*guess.q)[TokenId{id}] > (*guess.q)[best]) best = TokenId{id};
  }
  return best;
}

}  // namespace

SharedMass shared_mass(const LoadedTarget& target, const LoadedDrafter& drafter, std::string_view text) {
  if (target.tokenizer == nullptr || drafter.model == nullptr || drafter.tokenizer == nullptr) {
    throw Error("{} and {}: expected two models with tokenizers", target.name, drafter.spec.path);
  }
  const VocabMap map(*target.tokenizer, *drafter.tokenizer);
  const int target_rows = target.model->info().vocab;
  const int draft_rows = drafter.model->info().vocab;
  std::vector<bool> of_target(static_cast<std::size_t>(target_rows));
  std::vector<bool> of_draft(static_cast<std::size_t>(draft_rows));
  for (int id = 0; id < draft_rows; ++id) {
    const auto token = map.to_target(DraftId{id});
    if (!token || index(*token) >= target_rows) continue;
    of_draft[static_cast<std::size_t>(id)] = true;
    of_target[static_cast<std::size_t>(index(*token))] = true;
  }
  return {mass_over(*target.model, *target.tokenizer, text, of_target).value(),
          mass_over(*drafter.model, *drafter.tokenizer, text, of_draft).value()};
}

FirstGuess first_guess(const LoadedTarget& target, const LoadedDrafter& drafter, std::string_view text) {
  if (target.tokenizer == nullptr) throw Error("{}: expected a model with a tokenizer", target.name);
  const Sampler sampler{.temperature = 1};
  FirstGuess found;
  Mean sampled, greedy;
  Rng rng(1);
  for (const std::string_view part : parts_of(text)) {
    const std::vector<TokenId> tokens = tokens_of(*target.tokenizer, part, target.model->info());
    if (tokens.empty()) continue;
    const DrafterContext context{.target = *target.model,
                                 .draft = drafter.model,
                                 .head = drafter.head,
                                 .bridge = drafter.bridge,
                                 .sampler = sampler,
                                 .capacity = static_cast<int>(tokens.size()),
                                 .options = {}};
    const std::unique_ptr<Drafter> guesses = make_drafter(drafter.spec, context);
    guesses->prompt_ends();
    run_over(*target.model, tokens, guesses->needs(),
             [&](std::size_t first, std::span<const TokenId> pass, const Output& out) {
               for (std::size_t row = 0; row < pass.size(); ++row) {
                 DraftTree tree(pass[row], static_cast<int>(first + row));
                 rng = rng.fork(first + row);
                 guesses->propose(tree, {.depth = 1}, rng);
                 const int at = static_cast<int>(row);
                 guesses->observe({pass.subspan(row, 1), {&at, 1}, out.hidden});
                 ++found.positions;
                 if (tree.guesses() == 0) continue;
                 const Distribution p = sampler.distribution(row_span(out.logits, static_cast<Eigen::Index>(row)));
                 const Node& guess = tree[1];
                 sampled.add(guess.q ? sum_min(p, *guess.q) : p[guess.token]);
                 const int best = argmax(row_span(out.logits, static_cast<Eigen::Index>(row)));
                 greedy.add(index(likeliest(guess)) == best ? 1 : 0);
               }
             });
  }
  found.guessed = sampled.count;
  found.sampled = sampled.value();
  found.greedy = greedy.value();
  return found;
}

MeasuredMass measure_draft(const LoadedTarget& target, const std::string& draft, VocabVerdict verdict,
                           std::string_view text, Engine& engine) {
  std::string built_in;
  if (text.empty()) {
    for (const Passage& passage : built_in_corpus()) built_in += passage.text;
    text = built_in;
  }
  std::vector<std::string> names{std::string(bridge_of(verdict))};
  if (verdict == VocabVerdict::intersection || verdict == VocabVerdict::text_only) names = {"tli", "slrs", "slem"};
  LoadedDrafter drafter = load_drafter(fmt::format("small:{},bridge=slem", draft), {}, target, engine);
  MeasuredMass measured;
  const SharedMass mass = shared_mass(target, drafter, text);
  measured.target_on_shared = mass.target;
  measured.draft_on_shared = mass.draft;
  const BridgeSides sides = sides_between(target, drafter);
  for (const std::string& name : names) {
    const BridgeKind& kind = find_kind(bridge_kinds(), "bridge", name);
    if (!kind.obstacle(sides).empty()) continue;
    drafter.bridge = make_bridge(name, sides);
    const FirstGuess guess = first_guess(target, drafter, text);
    measured.positions = std::max(measured.positions, guess.guessed);
    measured.bridges.push_back({name, kind.shared_only ? mass.target : 1, guess.sampled, guess.greedy});
  }
  return measured;
}

}  // namespace specdec

#include "verify/session.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "core/batch.h"
#include "core/error.h"

namespace specdec {
namespace {

class Stopwatch {
 public:
  double lap() {
    const auto now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

DraftCost operator-(const DraftCost& a, const DraftCost& b) {
  return {a.passes - b.passes, a.rows - b.rows, a.bytes - b.bytes, a.retokenised - b.retokenised};
}

std::vector<TokenId> tokens_of(const DraftTree& tree, std::span<const int> path) {
  std::vector<TokenId> tokens;
  for (const int node : path) tokens.push_back(tree[node].token);
  return tokens;
}

std::vector<LayerTraffic> traffic_since(std::span<const LayerTraffic> before, const ExpertStore& store) {
  const std::span now = store.traffic_by_layer();
  std::vector<LayerTraffic> done(now.begin(), now.end());
  for (std::size_t i = 0; i < before.size(); ++i) done[i].traffic = done[i].traffic - before[i].traffic;
  return done;
}

bool follows_drafts(const ExpertStore* store) { return store != nullptr && store->follows_drafts(); }

}  // namespace

StepTimes& StepTimes::operator+=(const StepTimes& other) {
  guess_s += other.guess_s;
  look_s += other.look_s;
  judge_s += other.judge_s;
  keep_s += other.keep_s;
  tell_s += other.tell_s;
  return *this;
}

bool leaves_out_experts(const Model& target, int verify_experts) {
  const ModelInfo& info = target.info();
  if (verify_experts < 0) throw UsageError("verify-experts {}: expected 1 or more", verify_experts);
  if (verify_experts == 0) return false;
  if (info.experts == 0) {
    throw UsageError("verify-experts {}: {} is dense; expected a target with routed experts", verify_experts,
                     info.path);
  }
  return verify_experts < info.experts;
}

Session::Session(const Model& target, Drafter& drafter, const Rule& rule, const Sampler& sampler,
                 const SessionOptions& options, const Rng& rng)
    : target_(target),
      drafter_(drafter),
      judging_(rule, sampler, rng),
      options_(options),
      rng_(rng),
      taps_(drafter.needs()) {
  sampler.check();
  if (options_.max_tokens < 0) throw UsageError("{} tokens to generate: expected 0 or more", options_.max_tokens);
  if (options_.prefill_step < 1) throw UsageError("prefill step {}: expected 1 or more", options_.prefill_step);
  const int context = target.info().context;
  if (options_.capacity == 0) options_.capacity = context;
  if (options_.capacity < 1 || options_.capacity > context) {
    throw UsageError("context of {} tokens: {} has 1 to {}", options_.capacity, target.info().path, context);
  }
  Budget& budget = options_.budget;
  if (rule.chains_only && budget.width > 1) {
    throw UsageError("rule {} judges chains, but width={} makes trees; use rule traversal", rule.name, budget.width);
  }
  if (!budget.siblings) budget.siblings = rule.siblings;
  budget.tells_confidence = options_.on_pass != nullptr;
  if (leaves_out_experts(target, options_.verify_experts)) {
    Shortcut shortcut;
    shortcut.experts_per_pass = options_.verify_experts;
    verifier_ = target.with(shortcut);
    if (verifier_ == nullptr)
      throw Error("{} ({}) cannot leave out experts of a pass", target.info().path, target.info().architecture);
  }
  state_ = target.new_state(options_.capacity);
  drafter.lend(*state_);
  if (options_.budget.policy && options_.budget.policy->reads_cost()) {
    forecast_ = std::make_unique<PassForecast>(target, routing_, drafter.step_bytes());
    options_.budget.cost = forecast_.get();
  }
  learns_routing_ = forecast_ || follows_drafts(target.experts());
}

void Session::prefill(std::span<const TokenId> prompt) {
  SPECDEC_ASSERT(text_.empty());
  if (prompt.empty()) throw UsageError("the prompt is empty: give at least one token, for instance the model's bos");
  if (prompt.size() > static_cast<std::size_t>(options_.capacity)) {
    throw UsageError(
        "the prompt has {} tokens, but the context holds {}: shorten the prompt or ask for a larger context",
        prompt.size(), options_.capacity);
  }
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (index(prompt[i]) < 0 || index(prompt[i]) >= target_.info().vocab) {
      throw UsageError("token {} at position {} of the prompt: {} has tokens 0 to {}; is this its tokenizer?",
                       index(prompt[i]), i, target_.info().path, target_.info().vocab - 1);
    }
  }
  text_.assign(prompt.begin(), prompt.end());
  prompt_length_ = prompt.size();
  if (options_.max_tokens == 0) ending_ = Ending::max_tokens;

  ExpertStore* store = target_.experts();
  if (store != nullptr) {
    store->forget();
    store->record_events(options_.expert_events);
    store->take_events();
  }
  const ExpertTraffic before = store != nullptr ? store->traffic() : ExpertTraffic{};
  Stopwatch watch;
  Taps taps = taps_;
  taps.logits = false;
  for (auto rest = prompt.first(prompt.size() - 1); !rest.empty();) {
    const auto tokens = rest.first(std::min(rest.size(), static_cast<std::size_t>(options_.prefill_step)));
    const Output out = target_.forward(chain_of(tokens), *state_, taps);
    const auto path = whole_chain(static_cast<int>(tokens.size()));
    state_->commit(path);
    if (learns_routing_) routing_.learn(tokens, out.routed);
    tell(tokens, path, out);
    rest = rest.subspan(tokens.size());
  }
  drafter_.prompt_ends();
  prefill_s_ = watch.lap();
  if (store == nullptr) return;
  prefill_experts_ = store->traffic() - before;
  prefill_expert_events_ = store->take_events();
}

StepRecord Session::step() {
  SPECDEC_ASSERT(!text_.empty() && !done());
  StepRecord record;
  record.position = static_cast<int>(text_.size()) - 1;
  const DraftCost before = drafter_.cost();
  ExpertStore* store = target_.experts();
  if (store != nullptr) traffic_before_.assign(store->traffic_by_layer().begin(), store->traffic_by_layer().end());
  Stopwatch watch;

  DraftTree tree(text_.back(), record.position);
  if (follows_drafts(store)) {
    look_ahead(text_.back());
    tree.tell([this](TokenId token) { look_ahead(token); });
  }
  if (forecast_) forecast_->begin();
  drafter_.propose(tree, budget_left(), drafters_numbers(rng_, record.position));  // guess
  if (forecast_) forecast_->expect(tree);
  record.times.guess_s = watch.lap();

  const Model& verifier = verifier_ != nullptr ? *verifier_ : target_;
  const Output out = verifier.forward(batch_of(tree), *state_, taps_);  // look, once for all guesses
  record.times.look_s = watch.lap();

  const auto law_after = [&](int node) { return judging_.sampler().distribution_of_row(out.logits, node); };
  LazyLaws laws(tree.size(), law_after, target_.info().vocab, options_.pool);
  Verdict verdict = judging_(tree, std::ref(laws));  // judge
  const bool end_was_guessed = cut_after_end(tree, options_.eos, verdict.path);
  record.times.judge_s = watch.lap();

  if (options_.on_pass) {
    options_.on_pass(tree, out.logits);
    watch.lap();
  }
  state_->commit(verdict.path);  // keep
  record.times.keep_s = watch.lap();

  if (learns_routing_) routing_.learn(batch_of(tree).tokens, out.routed);
  tell(tokens_of(tree, verdict.path), verdict.path, out);  // tell
  record.times.tell_s = watch.lap();

  record.rows = tree.size();
  record.depth = tree.depth();
  record.parents.reserve(static_cast<std::size_t>(record.rows));
  for (int node = 0; node < tree.size(); ++node) record.parents.push_back(tree[node].parent);
  record.path = verdict.path;
  record.rejected = tree.has_children(verdict.path.back()) && !end_was_guessed;
  record.emitted = tokens_of(tree, std::span(verdict.path).subspan(1));
  if (!end_was_guessed) record.emitted.push_back(verdict.next);
  record.routed.assign(out.routed.begin(), out.routed.end());
  record.draft = drafter_.cost() - before;
  if (store != nullptr) {
    record.experts = traffic_since(traffic_before_, *store);
    record.expert_events = store->take_events();
  }
  watch.lap();

  if (options_.budget.policy) tell_policy(tree, verdict, record);
  append(record.emitted);
  record.times.tell_s += watch.lap();
  return record;
}

// What would be thrown away is not guessed: near the end drafts get shorter.
Budget Session::budget_left() const {
  Budget budget = options_.budget;
  const int tokens_left = options_.max_tokens - static_cast<int>(generated().size());
  budget.rows = std::min(budget.row_limit(), options_.capacity - state_->length() - 1);
  budget.depth = budget.rows > 0 ? std::min(budget.depth, tokens_left - 1) : 0;
  return budget;
}

bool Session::ends(TokenId token) const {
  return std::find(options_.eos.begin(), options_.eos.end(), token) != options_.eos.end();
}

void Session::tell(std::span<const TokenId> tokens, std::span<const int> rows, const Output& out) {
  drafter_.observe({tokens, rows, out.hidden});
}

void Session::tell_policy(const DraftTree& tree, const Verdict& verdict, const StepRecord& record) {
  StepFacts facts{.tree = tree, .verdict = verdict, .seconds = record.times.total_s()};
  if (forecast_) {
    std::int64_t loaded = 0;
    for (const LayerTraffic& layer : record.experts) loaded += layer.traffic.loaded_bytes;
    forecast_->learn(record.routed, loaded);
    facts.cost = forecast_->cost_of(record.rows, record.routed, record.draft.bytes, loaded);
  }
  options_.budget.policy->observe(facts);
}

void Session::look_ahead(TokenId token) {
  for (const RoutedLayer& layer : routing_.of(token)) target_.experts()->prefetch(layer.layer, layer.experts);
}

void Session::append(std::span<const TokenId> emitted) {
  text_.insert(text_.end(), emitted.begin(), emitted.end());
  SPECDEC_ASSERT(static_cast<int>(generated().size()) <= options_.max_tokens);
  if (ends(text_.back())) {
    ending_ = Ending::eos;
  } else if (static_cast<int>(generated().size()) == options_.max_tokens) {
    ending_ = Ending::max_tokens;
  } else if (state_->length() == options_.capacity) {
    ending_ = Ending::context;
  }
}

}  // namespace specdec

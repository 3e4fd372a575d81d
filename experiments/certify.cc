#include "experiments/certify.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/batch.h"
#include "core/error.h"
#include "experiments/g_test.h"
#include "verify/enumerate.h"

namespace specdec {
namespace {

constexpr double kAlarm = 1e-4;  // a p-value below it is a difference
constexpr const char* kControl = "typical";

std::vector<float> copy_of(const MatView& logits, Eigen::Index row) {
  const auto values = row_span(logits, row);
  return {values.begin(), values.end()};
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// The target as its own drafter, through the same code as any other model.
LoadedDrafter self_drafter(const LoadedTarget& target, const Budget& budget) {
  LoadedDrafter self;
  self.spec.kind = "small";
  self.budget = budget;
  self.model = std::shared_ptr<const Model>(target.model.get(), [](const Model*) {});
  return self;
}

class Certifier {
 public:
  Certifier(const LoadedTarget& target, const LoadedDrafter& drafter, const CertifyOptions& options, Engine& engine)
      : target_(target), drafter_(drafter), options_(options), engine_(engine), rule_(make_rule(options.rule)) {
    if (!leaves_out_experts(*target.model, options.verify_experts)) return;
    Shortcut shortcut;
    shortcut.experts_per_pass = options.verify_experts;
    verifier_ = target.model->with(shortcut);
  }

  Claim exact_law() const {
    Claim claim{.key = "exact_law", .title = "the rule keeps every law", .found = "", .figures = {}};
    if (!rule_.lossless || rule_.exact_judge == nullptr) {
      claim.found = fmt::format("rule {} is lossy by its own word", rule_.name);
      return claim;
    }
    const ExactCheck check = check_exactly(rule_, options_.models, Rng(options_.seed));
    claim.holds = check.holds();
    claim.found = fmt::format(
        "{} random pairs of a target and a drafter, {} shapes of drafts, all outcomes of the rule "
        "enumerated with rational chances: {} other laws",
        check.models, check.shapes, check.wrong);
    if (!check.holds()) claim.found += fmt::format(", the first: {}", check.first_wrong);
    claim.figures = {{"models", check.models}, {"wrong", check.wrong}, {"largest_distance", check.largest_distance}};
    return claim;
  }

  Claim all_experts() const {
    Claim claim{.key = "all_experts", .title = "passes take all experts", .found = "", .figures = {}};
    const int limit = options_.verify_experts;
    claim.holds = !leaves_out_experts(*target_.model, limit);
    claim.found = claim.holds ? "what the rows of a pass choose"
                              : fmt::format("--verify-experts {}: a layer reads {} of {} in a pass with guesses", limit,
                                            limit, target_.model->info().experts);
    claim.figures = {{"verify_experts", limit}};
    return claim;
  }

  Claim greedy_text() {
    Claim claim{.key = "greedy_text", .title = "greedy text is plain decoding's", .found = "", .figures = {}};
    std::size_t tokens = 0, same = 0;
    std::string difference;
    for (std::size_t i = 0; i < options_.prompts.size(); ++i) {
      const auto& prompt = options_.prompts[i];
      const auto plain = text_of(no_drafter(), prompt, {}, options_.max_tokens);
      const auto guessed = text_of(drafter_, prompt, {}, options_.max_tokens);
      tokens += plain.size();
      if (plain == guessed) {
        ++same;
      } else if (difference.empty()) {
        difference = why_different(i, plain, guessed);
      }
      plain_texts_.push_back(plain);
    }
    claim.holds = same == options_.prompts.size();
    claim.found = fmt::format("{} of {} texts, {} tokens in all", same, options_.prompts.size(), tokens);
    if (!claim.holds) claim.found += "; " + difference;
    claim.figures = {{"prompts", static_cast<double>(options_.prompts.size())},
                     {"identical", static_cast<double>(same)},
                     {"tokens", static_cast<double>(tokens)}};
    return claim;
  }

  // After greedy_text(), which makes the texts.
  Claim width_invariance() const {
    Claim claim{.key = "width_invariance", .title = "a row does not depend on others", .found = "", .figures = {}};
    const std::vector<int> widths{2, 3, 4, 5, 8, 16};
    std::size_t rows = 0, different = 0;
    double largest = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, options_.prompts.size()); ++i) {
      std::vector<TokenId> text = options_.prompts[i];
      text.insert(text.end(), plain_texts_[i].begin(), plain_texts_[i].end());
      const auto alone = logits_of(text, 1);
      const auto compare = [&](const std::vector<std::vector<float>>& found) {
        for (std::size_t row = 0; row < found.size(); ++row, ++rows) {
          if (same_bits(alone[row], found[row])) continue;
          ++different;
          for (std::size_t at = 0; at < found[row].size(); ++at)
            largest = std::max(largest, static_cast<double>(std::abs(found[row][at] - alone[row][at])));
        }
      };
      for (const int width : widths) compare(logits_of(text, width));
      compare(logits_in_trees(text));
    }
    claim.holds = different == 0;
    claim.found = fmt::format("{} rows in passes of {} rows and in trees, against passes of one: {} differ in a bit",
                              rows, fmt::join(widths, ", "), different);
    if (different > 0) {
      claim.found +=
          fmt::format(", by up to {:.3g}{}", largest,
                      verifier_ ? "; experts that other rows outweigh are left out" : "; does --prefill say blas?");
    }
    claim.figures = {{"rows", static_cast<double>(rows)},
                     {"different", static_cast<double>(different)},
                     {"largest_difference", largest}};
    return claim;
  }

  Claim self_draft() {
    Claim claim{.key = "self_draft", .title = "the target accepts itself", .holds = true, .found = "", .figures = {}};
    const Budget budget{.depth = drafter_.budget.depth};
    if (emits_of_its_own(1, 1)) {
      claim.found = fmt::format("rule {} takes no guess, not even these", rule_.name);
      return claim;
    }
    const LoadedDrafter self = self_drafter(target_, budget);
    std::vector<Sampler> samplers{{}};
    const int guesses = std::min(budget.depth, 2);
    if (emits_of_its_own(guesses + 1, guesses)) samplers.push_back(options_.sampler);
    for (const Sampler& sampler : samplers) {
      std::int64_t drafted = 0, accepted = 0;
      for (std::size_t i = 0; i < std::min<std::size_t>(4, options_.prompts.size()); ++i) {
        TrialOptions trial = trial_options(sampler, options_.max_tokens);
        for (const StepRecord& step : run_trial(target_, self, options_.prompts[i], trial, engine_).steps) {
          drafted += step.drafted();
          accepted += step.accepted();
        }
      }
      claim.holds = claim.holds && drafted > 0 && accepted == drafted;
      claim.found += fmt::format("{}{} of {} guesses at temperature {}", claim.found.empty() ? "" : ", ", accepted,
                                 drafted, sampler.temperature);
      claim.figures[fmt::format("drafted_at_{}", sampler.temperature)] = static_cast<double>(drafted);
      claim.figures[fmt::format("accepted_at_{}", sampler.temperature)] = static_cast<double>(accepted);
    }
    if (samplers.size() == 1) {
      claim.found += fmt::format("; rule {} need not accept guesses of the target's own law", rule_.name);
    }
    return claim;
  }

  Claim sampled_law() {
    const auto [test, accepted] = compared_with_plain(drafter_, options_.rule);
    Claim claim{.key = "sampled_law", .title = "sampled text has the target's law", .found = "", .figures = {}};
    claim.holds = test.p_value() >= kAlarm;
    const double bias = test.detectable_bias(kAlarm);
    claim.found = fmt::format(
        "G = {:.1f} at {} degrees of freedom, p = {:.2g}: the first {} tokens of {} texts after "
        "each of {} prompts against as many of plain decoding. Would show, nine times in ten, {:.1f} % "
        "of the texts moved to the likeliest",
        test.g(), test.freedom(), test.p_value(), options_.sampled_tokens, options_.samples, sampled_prompts(),
        100 * bias);
    claim.figures = figures_of(test);
    claim.found += fmt::format("; {} guesses were accepted", accepted);
    claim.figures["detectable_bias"] = bias;
    claim.figures["accepted"] = static_cast<double>(accepted);
    return claim;
  }

  // A blind test would pass everything.
  Claim control() {
    const auto [test, accepted] = compared_with_plain(drafter_, kControl);
    Claim claim{.key = "control", .title = "a lossy rule is found out", .found = "", .figures = figures_of(test)};
    claim.holds = test.p_value() < kAlarm;
    claim.found = fmt::format("rule {} in the same test: G = {:.1f} at {} degrees of freedom, p = {:.2g}", kControl,
                              test.g(), test.freedom(), test.p_value());
    claim.figures["accepted"] = static_cast<double>(accepted);
    if (accepted == 0) {
      claim.found +=
          "; it took no guess at all, so the test above says nothing: give --prompts where this drafter guesses";
    } else if (!claim.holds) {
      claim.found += fmt::format(" (the limit is {:.0e}); the test above says little: take more --samples", kAlarm);
    }
    return claim;
  }

 private:
  TrialOptions trial_options(const Sampler& sampler, int tokens) const {
    TrialOptions trial{.sampler = sampler, .seed = options_.seed, .max_tokens = tokens};
    trial.rule = options_.rule;
    trial.verify_experts = options_.verify_experts;
    return trial;
  }

  std::vector<TokenId> text_of(const LoadedDrafter& drafter, std::span<const TokenId> prompt, const Sampler& sampler,
                               int tokens) const {
    TrialOptions trial = trial_options(sampler, tokens);
    if (drafter.spec.kind == no_drafter().spec.kind) trial.rule = "sampled";
    return run_trial(target_, drafter, prompt, trial, engine_).generated;
  }

  // Logits after every token of a text, looked at in passes of so many rows.
  std::vector<std::vector<float>> logits_of(std::span<const TokenId> text, int width) const {
    const auto state = target_.model->new_state(static_cast<int>(text.size()) + width);
    std::vector<std::vector<float>> all;
    for (auto rest = text; !rest.empty();) {
      const auto tokens = rest.first(std::min(rest.size(), static_cast<std::size_t>(width)));
      const Output out = verifier().forward(chain_of(tokens), *state, {});
      for (Eigen::Index row = 0; row < out.logits.rows(); ++row) all.push_back(copy_of(out.logits, row));
      state->commit(whole_chain(static_cast<int>(tokens.size())));
      rest = rest.subspan(tokens.size());
    }
    return all;
  }

  // The same in passes of three tokens of the text, each with a sibling that it does not have.
  std::vector<std::vector<float>> logits_in_trees(std::span<const TokenId> text) const {
    const auto state = target_.model->new_state(static_cast<int>(text.size()) + 6);
    const int vocab = target_.model->info().vocab;
    std::vector<std::vector<float>> all;
    for (auto rest = text; !rest.empty();) {
      const auto tokens = rest.first(std::min<std::size_t>(3, rest.size()));
      Batch batch;
      std::vector<int> path;
      for (const TokenId token : tokens) {
        const int parent = path.empty() ? -1 : path.back();
        batch.tokens.push_back(TokenId{(index(token) + 1) % vocab});
        batch.parents.push_back(parent);
        path.push_back(static_cast<int>(batch.tokens.size()));
        batch.tokens.push_back(token);
        batch.parents.push_back(parent);
      }
      const Output out = verifier().forward(batch, *state, {});
      for (const int row : path) all.push_back(copy_of(out.logits, row));
      state->commit(path);
      rest = rest.subspan(tokens.size());
    }
    return all;
  }

  std::string why_different(std::size_t prompt, std::span<const TokenId> plain,
                            std::span<const TokenId> guessed) const {
    const auto at = static_cast<std::size_t>(std::ranges::mismatch(plain, guessed).in1 - plain.begin());
    std::string text = fmt::format("the first difference: prompt {}, token {}", prompt, at);
    if (at == plain.size() || at == guessed.size()) return text + ", where one of the texts ends";
    std::vector<TokenId> before = options_.prompts[prompt];
    before.insert(before.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(at));
    const std::vector<float> alone = logits_of(before, 1).back();
    const auto logit = [&](TokenId token) { return alone[static_cast<std::size_t>(index(token))]; };
    text += fmt::format(", {} instead of {}, whose logit is larger by {:.4g}", index(guessed[at]), index(plain[at]),
                        logit(plain[at]) - logit(guessed[at]));
    if (!rule_.lossless) return text + fmt::format("; the cause: rule {} is lossy", rule_.name);
    if (!all_experts().holds) return text + fmt::format("; the cause: --verify-experts {}", options_.verify_experts);
    return text + (same_bits(alone, logits_in_run(prompt, before))
                       ? "; the pass that judged it had the same logits: the rule or the drafter is at fault"
                       : "; the pass that judged it had other logits: rows depend on one another here");
  }

  // After this text, in the pass of the run that looked at it; empty if none did.
  std::vector<float> logits_in_run(std::size_t prompt, std::span<const TokenId> before) const {
    std::vector<float> found;
    TrialOptions trial = trial_options({}, options_.max_tokens);
    trial.on_pass = [&](const DraftTree& tree, const MatView& logits) {
      for (int node = 0; node < tree.size(); ++node) {
        if (tree.position(node) + 1 != static_cast<int>(before.size())) continue;
        bool is_path = true;
        for (int up = node; up >= 0; up = tree[up].parent)
          is_path = is_path && tree[up].token == before[static_cast<std::size_t>(tree.position(up))];
        if (is_path) found = copy_of(logits, node);
      }
    };
    run_trial(target_, drafter_, options_.prompts[prompt], trial, engine_);
    return found;
  }

  // Whether the rule emits so many tokens when it judges so many guesses of the target's own law. Not known of a rule
  // that is not enumerated.
  bool emits_of_its_own(int tokens, int guesses) const {
    if (rule_.exact_judge == nullptr) return false;
    const ExactModel model = random_exact_model(Rng(options_.seed), 3);
    return outcome_of(rule_.exact_judge, model, model, {.depth = guesses}, 1).emitted == Rational(tokens);
  }

  std::size_t sampled_prompts() const {
    return std::min(options_.prompts.size(), static_cast<std::size_t>(options_.sampled_prompts));
  }

  // Every text from numbers of its own.
  struct Sample {
    TextCounts texts;
    std::int64_t accepted = 0;  // guesses
  };
  Sample sample(const LoadedDrafter& drafter, const std::string& rule, std::size_t prompt, std::uint64_t stream) {
    Sample drawn;
    // More tokens than are compared: no draft is cut short within those.
    const int tokens = options_.sampled_tokens + std::max(1, drafter.budget.depth);
    TrialOptions trial = trial_options(options_.sampler, tokens);
    trial.rule = rule;
    const std::unique_ptr<Policy> policy = drafter.policy.make();  // one text is too short for it to learn
    trial.policy = policy.get();
    const Rng seeds = Rng(options_.seed).fork(stream).fork(prompt);
    const auto enough = [&, generated = 0](const StepRecord& step) mutable {
      generated += static_cast<int>(step.emitted.size());
      drawn.accepted += step.accepted();
      return generated < options_.sampled_tokens ? Continue::yes : Continue::no;
    };
    for (int i = 0; i < options_.samples; ++i) {
      trial.seed = seeds.bits(static_cast<std::uint64_t>(i));
      auto text = run_trial(target_, drafter, options_.prompts[prompt], trial, engine_, enough).generated;
      text.resize(static_cast<std::size_t>(options_.sampled_tokens));
      ++drawn.texts[std::move(text)];
    }
    return drawn;
  }

  struct Comparison {
    GTest test;
    std::int64_t accepted = 0;  // guesses
  };
  Comparison compared_with_plain(const LoadedDrafter& drafter, const std::string& rule) {
    enum Stream : std::uint64_t { kPlain, kGuessed };
    Comparison both;
    for (std::size_t prompt = 0; prompt < sampled_prompts(); ++prompt) {
      if (plain_counts_.size() == prompt)
        plain_counts_.push_back(sample(no_drafter(), "sampled", prompt, kPlain).texts);
      const Sample guessed = sample(drafter, rule, prompt, kGuessed);
      both.accepted += guessed.accepted;
      both.test.add(guessed.texts, plain_counts_[prompt]);
    }
    return both;
  }

  static std::map<std::string, double> figures_of(const GTest& test) {
    return {{"g", test.g()}, {"degrees_of_freedom", test.freedom()}, {"p_value", test.p_value()}};
  }

  // What looks at passes with guesses.
  const Model& verifier() const { return verifier_ != nullptr ? *verifier_ : *target_.model; }

  const LoadedTarget& target_;
  const LoadedDrafter& drafter_;
  const CertifyOptions& options_;
  Engine& engine_;
  Rule rule_;
  std::unique_ptr<const Model> verifier_;  // null: the target itself
  std::vector<std::vector<TokenId>> plain_texts_;
  std::vector<TextCounts> plain_counts_;
};

}  // namespace

bool Certificate::holds() const {
  return !interrupted && std::ranges::all_of(claims, [](const Claim& claim) { return claim.holds; });
}

Certificate certify(const LoadedTarget& target, const LoadedDrafter& drafter, const CertifyOptions& options,
                    Engine& engine, const std::function<Continue(const Claim&)>& on_claim) {
  SPECDEC_ASSERT(!options.prompts.empty());
  Certifier certifier(target, drafter, options, engine);
  Certificate certificate;
  using Step = Claim (*)(Certifier&);
  std::vector<Step> steps{
      [](Certifier& c) { return c.exact_law(); },        [](Certifier& c) { return c.greedy_text(); },
      [](Certifier& c) { return c.width_invariance(); }, [](Certifier& c) { return c.self_draft(); },
      [](Certifier& c) { return c.sampled_law(); },      [](Certifier& c) { return c.control(); }};
  if (options.verify_experts > 0) steps.insert(steps.begin(), [](Certifier& c) { return c.all_experts(); });
  for (const Step& step : steps) {
    certificate.claims.push_back(step(certifier));
    if (on_claim(certificate.claims.back()) == Continue::no) {
      certificate.interrupted = &step != &steps.back();
      break;
    }
  }
  return certificate;
}

}  // namespace specdec

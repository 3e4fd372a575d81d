// specdec certify: proof, on the user's own models and machine, that guessing leaves the text as it is.
#include "experiments/certify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/interrupt.h"
#include "cli/origin.h"
#include "cli/read_files.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "experiments/prompt_file.h"
#include "verify/rule.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

class Certify : public Job {
 public:
  std::vector<Option> options() override {
    return with_engine_options(
        {{"target", &target_name_,
          "the model: a directory, a .gguf file, a shipped name or a hub id in the local cache"},
         {"draft", &draft_, "who guesses, as of specdec run"},
         {"k", &k_, "guesses per pass; k=… of --draft goes first"},
         {"rule", &asked_.rule, "which guesses stay, as of specdec run"},
         {"verify-experts", &verify_experts_, "of a pass with guesses, as of specdec run: lossy, so it fails"},
         {"prompts", &prompts_,
          "a set such as domains:code, a file or FORMAT:FILE (docs/prompts.md); else built-in ones"},
         {"prompt-count", &prompt_count_, "so many of these, spread over the file"},
         {"max-tokens", &asked_.max_tokens, "of each greedy text"},
         {"models", &asked_.models, "random targets that the rule is enumerated for"},
         {"samples", &asked_.samples, "texts of each kind after each of three prompts, for the law of sampled text"},
         {"sampled-tokens", &asked_.sampled_tokens, "of each of these"},
         {"temperature", &asked_.sampler.temperature, "at which they are drawn"},
         {"top-p", &asked_.sampler.top_p, "only the likeliest tokens that together reach this probability"},
         {"seed", &asked_.seed, "of the random numbers"},
         {"json", &json_, "write the claims and their figures to this file"}},
        engine_);
  }

  int run() override {
    const Rule rule = make_rule(asked_.rule);
    check();
    Engine engine(engine_);
    const LoadedTarget target = load_target(target_name_, engine);
    if (verify_experts_) leaves_out_experts(*target.model, *verify_experts_);
    asked_.verify_experts = verify_experts_.value_or(0);
    const LoadedDrafter drafter = load_drafter(draft_, k_, target, engine);
    if (drafter.budget.depth == 0) throw UsageError("--draft {} guesses nothing: there is nothing to certify", draft_);
    if (json_) check_no_input(*json_, inputs_of(target, drafter));
    asked_.prompts = read_prompts(target);
    try_one_token(target, drafter, engine);
    fmt::print("{}, guessed for by {} with k = {}, rule {}{}{}\n\n", target.name, draft_, drafter.budget.depth,
               rule.name, rule.lossless ? "" : " (lossy)",
               verify_experts_ ? fmt::format(", --verify-experts {}", *verify_experts_) : "");
    const Interrupt interrupt;
    const Certificate certificate = certify(target, drafter, asked_, engine, [&](const Claim& claim) {
      fmt::print("  {:<35}{:<6}{}\n", claim.title, claim.holds ? "holds" : "FAILS", claim.found);
      std::fflush(stdout);
      return interrupt.came() ? Continue::no : Continue::yes;
    });
    fmt::print("\n{}\n", verdict_of(certificate));
    if (json_) write_file(*json_, json_of(certificate, target, rule, engine));
    const bool failed = std::ranges::any_of(certificate.claims, [](const Claim& claim) { return !claim.holds; });
    if (failed) return kClaimFailed;
    if (certificate.interrupted) throw Error("interrupted before all was checked");
    return 0;
  }

 private:
  void check() const {
    asked_.sampler.check();
    if (k_) check_no_tree(parse_drafter_spec(draft_), std::to_string(*k_));
    if (asked_.sampler.temperature == 0) {
      throw UsageError("--temperature 0: greedy text is compared anyway; expected the one at which texts are drawn");
    }
    const auto at_least_one = [](const char* name, int value) {
      if (value < 1) throw UsageError("--{} {}: expected 1 or more", name, value);
    };
    at_least_one("prompt-count", prompt_count_);
    at_least_one("max-tokens", asked_.max_tokens);
    at_least_one("models", asked_.models);
    at_least_one("samples", asked_.samples);
    at_least_one("sampled-tokens", asked_.sampled_tokens);
    at_least_one("verify-experts", verify_experts_.value_or(1));
    const std::filesystem::path input = prompt_path(prompts_.value_or(""));
    check_outputs({json_}, std::span(&input, 1));
  }

  std::vector<std::filesystem::path> inputs_of(const LoadedTarget& target, const LoadedDrafter& drafter) const {
    std::vector<std::filesystem::path> inputs = files_read_for(drafter.spec, engine_);
    inputs.insert(inputs.end(), {target.model->info().path, drafter.spec.path});
    if (drafter.model != nullptr) inputs.emplace_back(drafter.model->info().path);
    return inputs;
  }

  // What this drafter and this rule cannot do together is said before the long enumeration.
  void try_one_token(const LoadedTarget& target, const LoadedDrafter& drafter, Engine& engine) const {
    TrialOptions trial{.sampler = asked_.sampler, .max_tokens = 1};
    trial.rule = asked_.rule;
    trial.verify_experts = asked_.verify_experts;
    run_trial(target, drafter, asked_.prompts.front(), trial, engine);
  }

  // Evenly spread over the file, whose prompts stand by domain. Without a tokenizer, ids drawn at random.
  std::vector<std::vector<TokenId>> read_prompts(const LoadedTarget& target) const {
    std::vector<std::vector<TokenId>> chosen;
    if (target.tokenizer == nullptr) {
      if (prompts_) throw UsageError("--prompts: {} has no tokenizer to read texts with", target.name);
      for (int i = 0; i < prompt_count_; ++i) {
        chosen.emplace_back();
        for (std::uint64_t at = 0; at < 8; ++at) {
          const double u = Rng(asked_.seed).fork(static_cast<std::uint64_t>(i)).uniform(at);
          chosen.back().push_back(TokenId{static_cast<std::int32_t>(u * target.model->info().vocab)});
        }
      }
      return chosen;
    }
    const std::vector<NamedPrompt> all = prompts_ ? specdec::read_prompts(*prompts_) : built_in_prompts();
    const auto count = std::min(all.size(), static_cast<std::size_t>(prompt_count_));
    for (std::size_t i = 0; i < count; ++i) chosen.push_back(encode_prompt(target, all[i * all.size() / count].text));
    return chosen;
  }

  static std::string verdict_of(const Certificate& certificate) {
    std::string failed;
    for (const Claim& claim : certificate.claims) {
      if (!claim.holds) failed += fmt::format("{}{}", failed.empty() ? "" : "; ", claim.title);
    }
    if (!failed.empty()) return "Not certified. What fails: " + failed + ".";
    if (certificate.interrupted) return "Not certified: interrupted before all was checked.";
    return "Certified: with these models, this rule and this machine, guessing changes nothing but the speed.";
  }

  std::string json_of(const Certificate& certificate, const LoadedTarget& target, const Rule& rule,
                      const Engine& engine) {
    Json claims = Json::array();
    for (const Claim& claim : certificate.claims) {
      claims.push_back({{"claim", claim.key},
                        {"title", claim.title},
                        {"holds", claim.holds},
                        {"found", claim.found},
                        {"figures", claim.figures}});
    }
    const Origin origin = origin_of("certify", options(), engine);
    const Json json{{"command", origin.command},
                    {"date", origin.date},
                    {"options", Json::parse(specdec::json_of(origin.options))},
                    {"machine", Json::parse(specdec::json_of(origin.machine, origin.threads, origin.instruction_set))},
                    {"target", Json::parse(specdec::json_of(*target.model))},
                    {"rule", {{"name", rule.name}, {"lossless", rule.lossless}}},
                    {"verify_experts", verify_experts_ ? Json(*verify_experts_) : Json()},
                    {"prompts", asked_.prompts.size()},
                    {"certified", certificate.holds()},
                    {"claims", claims},
                    {"verdict", verdict_of(certificate)}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  std::string target_name_ = "demo-moe";
  std::string draft_ = "mtp";
  std::optional<int> k_, verify_experts_;
  std::optional<std::string> prompts_, json_;
  int prompt_count_ = 8;
  CertifyOptions asked_{};
  EngineOptions engine_;
};

}  // namespace

Command command_certify() {
  return {"certify", "proves on your models that guessing leaves the text as it is; exit code 5: a claim fails",
          make_job<Certify>, ": all claims hold; 5: a claim fails"};
}

}  // namespace specdec

// That speculation leaves a target's text as it is, shown on a user's own models and machine: one claim after the
// other, each with what was found and a control where a test could be blind.
//   const Certificate certificate = certify(target, drafter, {.rule = "sampled"}, engine, note_claim);
//   return certificate.holds() ? 0 : 5;
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/engine.h"
#include "experiments/trial.h"

namespace specdec {

struct CertifyOptions {
  std::string rule = "sampled";
  int verify_experts = 0;                     // of SessionOptions; what it leaves out is a claim that fails
  std::vector<std::vector<TokenId>> prompts;  // at least one
  int max_tokens = 64;                        // of each text
  int models = 1000;                          // that the rule is enumerated for
  int samples = 1000;                         // of each kind and prompt
  int sampled_prompts = 3;                    // the first of them
  int sampled_tokens = 2;                     // whose joint law is compared
  Sampler sampler{.temperature = 1};          // of these
  std::uint64_t seed = 1;
};

struct Claim {
  std::string key, title;
  bool holds = false;
  std::string found;                      // one sentence
  std::map<std::string, double> figures;  // that it is made from
};

struct Certificate {
  std::vector<Claim> claims;
  bool interrupted = false;
  bool holds() const;
};

// `on_claim` hears of each claim when it is decided, and says whether to go on.
Certificate certify(const LoadedTarget& target, const LoadedDrafter& drafter, const CertifyOptions& options,
                    Engine& engine, const std::function<Continue(const Claim&)>& on_claim);

}  // namespace specdec

// Tokens per pass of drafters on the held-out texts of models/recipe, by domain: guesses that the text says stay.
// Markdown.
//   tau_bench [TARGET [DRAFTER...]]     else demo-moe with mtp and eagle:demo-eagle3, chains of 4
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/mapped_file.h"
#include "core/traffic.h"
#include "experiments/forced_text.h"
#include "experiments/interval.h"

namespace specdec {
namespace {

constexpr int kGuesses = 4;
const std::string kTexts = SPECDEC_SOURCE_DIR "/models/recipe/heldout_sample.jsonl";

// One text and drafter.
struct Passes {
  std::string domain;
  double tokens = 0, passes = 0;
};

double tau_of(const std::vector<Passes>& all, std::span<const std::size_t> chosen) {
  Passes sum;
  for (const std::size_t i : chosen) {
    sum.tokens += all[i].tokens;
    sum.passes += all[i].passes;
  }
  return sum.tokens / sum.passes;
}

Interval tau_of(const std::vector<Passes>& all) {
  return bootstrap(all.size(), [&](auto chosen) { return tau_of(all, chosen); });
}

void measure(const std::string& target_name, const std::vector<std::string>& drafts) {
  Engine engine({});
  const LoadedTarget target = load_target(target_name, engine);
  const MappedFile file(kTexts);
  const auto plain =
      static_cast<double>(bytes_of_plain_pass(target.model->bytes(), target.model->info().experts_per_token));
  fmt::print(
      "| drafter, chain of {} | domain | texts | tokens per pass, of 95 % of samples | step, of a plain pass |\n",
      kGuesses);
  fmt::print("|---|---|---|---|---|\n");
  for (const std::string& draft : drafts) {
    const LoadedDrafter drafter = load_drafter(draft, kGuesses, target, engine);
    std::map<std::string, std::vector<Passes>> domains;
    std::string_view rest = file.text();
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
      const auto line = nlohmann::json::parse(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      const auto ids = encode_prompt(target, line.at("text").get<std::string>());
      Passes passes{line.at("domain").get<std::string>()};
      for (const StepRecord& step : forced_steps(target, drafter, ids, {.temperature = 0})) {
        passes.tokens += static_cast<double>(step.path.size());
        passes.passes += 1;
      }
      domains[passes.domain].push_back(passes);
      domains["all"].push_back(passes);
    }
    const double ratio = 100 * static_cast<double>(step_bytes_of(target, drafter)) / plain;
    for (const auto& [domain, texts] : domains) {
      const Interval tau = tau_of(texts);
      fmt::print("| {} | {} | {} | {:.3f} ({:.3f} to {:.3f}) | {:.2f} % |\n", draft, domain, texts.size(), tau.value,
                 tau.low, tau.high, ratio);
    }
  }
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const std::string target = words.empty() ? "demo-moe" : words.front();
  if (words.size() < 2) words = {target, "mtp", "eagle:demo-eagle3"};
  try {
    specdec::measure(target, {words.begin() + 1, words.end()});
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

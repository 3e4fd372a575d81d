#include "experiments/speed_up.h"

#include <map>

namespace specdec {
std::vector<std::vector<const MeasuredText*>> clusters_of(std::span<const FinishedTrial> trials) {
  std::map<std::string, std::vector<const MeasuredText*>> by_prompt;
  for (const FinishedTrial& trial : trials) {
    for (const MeasuredText& text : trial.texts) by_prompt[text.prompt].push_back(&text);
  }
  std::vector<std::vector<const MeasuredText*>> clusters;
  for (const auto& [prompt, texts] : by_prompt) {
    if (by_prompt.size() >= kLeastClusters) {
      clusters.push_back(texts);
    } else {
      for (const MeasuredText* text : texts) clusters.push_back({text});
    }
  }
  return clusters;
}

Interval speed_up_of(std::span<const FinishedTrial> trials) {
  std::vector<double> plain, guessed;
  for (const auto& cluster : clusters_of(trials)) {
    double of_plain = 0, of_guessed = 0;
    for (const MeasuredText* text : cluster) {
      of_plain += text->plain.per_token_s();
      of_guessed += text->guessed.per_token_s();
    }
    plain.push_back(of_plain);
    guessed.push_back(of_guessed);
  }
  return ratio_interval(plain, guessed);
}

}  // namespace specdec

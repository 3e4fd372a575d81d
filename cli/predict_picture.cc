#include "cli/predict_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "notebooks-export/markup.h"

namespace specdec {
namespace {

constexpr double kLeft = 60, kTop = 50, kWidth = 560, kHeight = 320, kLegend = 150;
constexpr std::array<std::string_view, kTerms + 2> kColours{"#4c78a8", "#f58518", "#e45756", "#72b7b2",
                                                            "#54a24b", "#eeca3b", "#b279a2", "#ff9da6",
                                                            "#9d755d", "#79706e", "#1b3a5c", "#d0d0d0"};
constexpr std::size_t kDrafting = kTerms, kUnexplained = kTerms + 1;

struct Bar {
  int guesses = 0;
  std::array<double, kTerms + 2> seconds{};
  double total = 0, worth = 0;  // worth: the plain tokens that it gives
};

std::vector<Bar> bars_of(const Prediction& found) {
  std::vector<Bar> bars;
  const auto add = [&](int guesses, double total, double tokens) {
    Bar& bar = bars.emplace_back();
    bar.guesses = guesses;
    bar.total = total;
    bar.worth = tokens * plain_seconds(found.scenario);
    const PassPrice cost = pass_cost(found.scenario, guesses + 1);
    std::ranges::copy(cost.seconds, bar.seconds.begin());
    bar.seconds[kDrafting] = guessing_seconds(found.scenario, guesses);
    const double priced = cost.total() + bar.seconds[kDrafting];
    if (priced < total) bar.seconds[kUnexplained] = total - priced;
    if (priced <= total) return;
    for (double& seconds : bar.seconds) seconds *= total / priced;  // measured plain decoding is faster than priced
  };
  add(0, plain_seconds(found.scenario), 1);
  for (const GuessCost& cost : found.guesses) add(cost.guesses, cost.step_s, cost.tokens);
  return bars;
}

std::string_view label_of(std::size_t part) {
  if (part == kDrafting) return "drafting, judging";
  return part == kUnexplained ? "not explained" : name_of(static_cast<Term>(part));
}

}  // namespace

std::string picture_of(const Prediction& found) {
  const std::vector<Bar> bars = bars_of(found);
  double most = 0;
  for (const Bar& bar : bars) most = std::max({most, bar.total, bar.worth});
  const double step = kWidth / static_cast<double>(bars.size());
  const auto y_of = [&](double seconds) { return kTop + kHeight * (1 - seconds / most); };

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLeft + kWidth + kLegend, kTop + kHeight + 50);
  svg += fmt::format("<text x=\"{}\" y=\"20\" font-size=\"14\">{} on {}{}, guessed by {}</text>\n", kLeft,
                     markup(found.target),
                     found.scenario.machines > 1 ? fmt::format("{} x ", found.scenario.machines) : "",
                     markup(found.scenario.machine.title), markup(found.options.draft));
  constexpr int kLines = 4;
  for (int i = 0; i <= kLines; ++i) {
    const double seconds = most * i / kLines, y = y_of(seconds);
    svg += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", kLeft,
                       kLeft + kWidth, y, y);
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.3g} ms</text>\n", kLeft - 6, y + 4,
                       1e3 * seconds);
  }
  std::array<bool, kTerms + 2> used{};
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double x = kLeft + step * (static_cast<double>(i) + 0.15);
    double top = 0;
    for (std::size_t part = 0; part < kColours.size(); ++part) {
      const double seconds = bars[i].seconds[part];
      if (seconds <= 0) continue;
      used[part] = true;
      top += seconds;
      svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.2f}\" width=\"{:.1f}\" height=\"{:.2f}\" fill=\"{}\"/>\n", x,
                         y_of(top), 0.7 * step, kHeight * seconds / most, kColours[part]);
    }
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x + 0.35 * step,
                       kTop + kHeight + 16, bars[i].guesses);
    if (bars[i].worth <= 0) continue;
    svg += fmt::format(
        "<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.2f}\" y2=\"{:.2f}\" stroke=\"black\" stroke-width=\"2\"/>\n",
        x - 0.1 * step, x + 0.8 * step, y_of(bars[i].worth), y_of(bars[i].worth));
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">guesses</text>\n", kLeft + kWidth / 2,
                     kTop + kHeight + 36);
  double y = kTop + 10;
  for (std::size_t part = kColours.size(); part-- > 0;) {
    if (!used[part]) continue;
    svg += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
        kLeft + kWidth + 12, y - 10, kColours[part], kLeft + kWidth + 30, y, label_of(part));
    y += 18;
  }
  if (found.acceptance) {
    svg += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" stroke=\"black\" stroke-width=\"2\"/><text x=\"{}\" "
        "y=\"{}\">its tokens, plainly</text>\n",
        kLeft + kWidth + 10, kLeft + kWidth + 26, y - 4, y - 4, kLeft + kWidth + 30, y);
  }
  return svg + "</svg>\n";
}

}  // namespace specdec

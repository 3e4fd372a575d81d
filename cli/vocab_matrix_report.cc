#include "cli/vocab_matrix_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "notebooks-export/markup.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

double percent(int part, int whole) { return whole > 0 ? 100.0 * part / whole : 0.0; }

// Of the draft's strings, those that the target has: how much of what it would say it may.
double of_draft(const VocabMatrix& matrix, std::size_t target, std::size_t draft) {
  return percent(matrix.at(target, draft).shared_strings, matrix.counts[draft].strings);
}

double of_ids(const VocabCell& cell) { return percent(cell.same_ids, cell.common_ids); }

// With so many digits behind the point; 100 only for all of them, 0 only for none.
std::string shown(double share, int digits) {
  const double step = std::pow(10, -digits);
  if (share < 100 && share >= 100 - step / 2) return fmt::format(">{:.{}f}", 100 - step, digits);
  if (share > 0 && share < step / 2) return fmt::format("<{:.{}f}", step, digits);
  return fmt::format("{:.{}f}", share, digits);
}

template <typename Cell>
std::string table(const VocabMatrix& matrix, const Cell& cell) {
  constexpr int kWidth = 8;
  std::size_t longest = 6;
  for (const std::string& name : matrix.names) longest = std::max(longest, name.size());
  std::string text = fmt::format("{:>4}{:<{}}", "", "", longest + 1);
  for (std::size_t draft = 0; draft < matrix.size(); ++draft) text += fmt::format("{:>{}}", draft + 1, kWidth);
  text += "\n";
  for (std::size_t target = 0; target < matrix.size(); ++target) {
    text += fmt::format("{:>3} {:<{}}", target + 1, matrix.names[target], longest + 1);
    for (std::size_t draft = 0; draft < matrix.size(); ++draft)
      text += fmt::format("{:>{}}", target == draft ? "." : cell(target, draft), kWidth);
    text += "\n";
  }
  return text;
}

Json json_of(const VocabMatrix& matrix, std::size_t target, std::size_t draft) {
  const VocabCell& cell = matrix.at(target, draft);
  const int strings = matrix.counts[target].strings, draft_strings = matrix.counts[draft].strings;
  return {{"target", matrix.names[target]},
          {"draft", matrix.names[draft]},
          {"target_ids", matrix.counts[target].size},
          {"draft_ids", matrix.counts[draft].size},
          {"common_ids", cell.common_ids},
          {"same_ids", cell.same_ids},
          {"same_ids_percent", of_ids(cell)},
          {"target_strings", strings},
          {"draft_strings", draft_strings},
          {"shared_strings", cell.shared_strings},
          {"shared_of_target_percent", percent(cell.shared_strings, strings)},
          {"shared_of_draft_percent", percent(cell.shared_strings, draft_strings)},
          {"shared_of_smaller_percent", percent(cell.shared_strings, std::min(strings, draft_strings))},
          {"verdict", name_of(cell.verdict)},
          {"exit_code", exit_code_of(cell.verdict)}};
}

// Calls `visit` for every target and another draft.
template <typename Visit>
void for_each_pair(const VocabMatrix& matrix, const Visit& visit) {
  for (std::size_t target = 0; target < matrix.size(); ++target)
    for (std::size_t draft = 0; draft < matrix.size(); ++draft)
      if (target != draft) visit(target, draft);
}

std::string csv_text(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.3f}", value.get<double>());
  if (!value.is_string()) return value.dump();
  std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  for (std::size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at + 2)) text.insert(at, 1, '"');
  return fmt::format("\"{}\"", text);
}

struct Colour {
  double red, green, blue;
};

// White to dark blue: lightness alone tells the order, whatever colours one sees (ColorBrewer "Blues", Brewer 2002).
Colour colour_of(double share) {
  constexpr std::array<Colour, 5> kBlues{
      {{247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}}};
  const double place = std::clamp(share, 0.0, 1.0) * (kBlues.size() - 1);
  const std::size_t below = std::min(static_cast<std::size_t>(place), kBlues.size() - 2);
  const double part = place - static_cast<double>(below);
  const auto between = [&](double from, double to) { return from + part * (to - from); };
  const Colour &from = kBlues[below], &to = kBlues[below + 1];
  return {between(from.red, to.red), between(from.green, to.green), between(from.blue, to.blue)};
}

std::string hex(const Colour& colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", static_cast<int>(colour.red), static_cast<int>(colour.green),
                     static_cast<int>(colour.blue));
}

// Whether white stands out more than black (contrast ratio of WCAG 2.1).
bool white_on(const Colour& colour) {
  const auto linear = [](double value) { return std::pow(value / 255, 2.2); };
  const double light = 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
  return 1.05 / (light + 0.05) > (light + 0.05) / 0.05;
}

class Picture {
 public:
  explicit Picture(const VocabMatrix& matrix) : matrix_(matrix) {
    std::size_t longest = 0;
    for (const std::string& name : matrix.names) longest = std::max(longest, name.size());
    const int label = kLetter * static_cast<int>(longest);
    const int slope = label * 71 / 100;  // of names at 45 degrees
    left_ = 34 + label;
    top_ = 64 + slope;
    side_ = kCell * static_cast<int>(matrix.size());
    width_ = std::max(left_ + side_ + slope + 12, left_ + kLegend);
    height_ = top_ + side_ + 74 + kLine * static_cast<int>(verdict_kinds().size());
  }

  std::string draw() {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\">\n"
        "<style>text{{font:12px Helvetica,Arial,sans-serif}}.m{{text-anchor:middle}}.e{{text-anchor:end}}"
        ".s{{font-size:10px}}.w{{fill:#fff}}.b{{font-weight:bold}}.t{{font-size:15px}}.g{{fill:#444}}</style>\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        width_, height_);
    put(12, 24, "t b", "Who could draft for whom");
    put(12, 42, "g", "of the draft's strings, the share that the target's tokenizer has, in %");
    draw_names();
    for (std::size_t target = 0; target < matrix_.size(); ++target)
      for (std::size_t draft = 0; draft < matrix_.size(); ++draft) draw_cell(target, draft);
    draw_legend();
    return text_ + "</svg>\n";
  }

 private:
  static constexpr int kCell = 38, kLetter = 7, kLine = 17, kLegend = 430;

  void put(int x, int y, std::string_view classes, const std::string& words, std::string_view more = "") {
    text_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\"{}>{}</text>\n", classes, x, y, more, markup(words));
  }

  void draw_names() {
    put(left_ - 8, top_ - 8, "e g", "target \\ draft");
    for (std::size_t i = 0; i < matrix_.size(); ++i) {
      const int middle = kCell * static_cast<int>(i) + kCell / 2, x = left_ + middle, y = top_ - 8;
      put(left_ - 8, top_ + middle + 4, "e", matrix_.names[i]);
      put(x, y, "", matrix_.names[i], fmt::format(" transform=\"rotate(-45 {} {})\"", x, y));
    }
  }

  void draw_cell(std::size_t target, std::size_t draft) {
    const int x = left_ + kCell * static_cast<int>(draft), y = top_ + kCell * static_cast<int>(target);
    if (target == draft) return rectangle(x, y, "#ddd", matrix_.names[target]);
    const VocabCell& cell = matrix_.at(target, draft);
    const double share = of_draft(matrix_, target, draft);
    const Colour colour = colour_of(share / 100);
    rectangle(x, y, hex(colour),
              fmt::format("{} drafts for {}: {} % of its strings, {} % of the ids; {}", matrix_.names[draft],
                          matrix_.names[target], shown(share, 1), shown(of_ids(cell), 1), name_of(cell.verdict)));
    const std::string_view ink = white_on(colour) ? " w" : "";
    put(x + kCell / 2, y + 18, fmt::format("m{}", ink), shown(share, 0));
    put(x + kCell / 2, y + 32, fmt::format("m s{}", ink), std::string(1, letter_of(cell.verdict)));
  }

  void rectangle(int x, int y, const std::string& fill, const std::string& title) {
    text_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"><title>{}</title></rect>\n", x,
                         y, kCell - 1, kCell - 1, fill, markup(title));
  }

  void draw_legend() {
    constexpr int kSteps = 40, kStep = 6, kHigh = 12;
    int y = top_ + side_ + 20;
    for (int i = 0; i < kSteps; ++i) {
      text_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", left_ + kStep * i, y,
                           kStep, kHigh, hex(colour_of((i + 0.5) / kSteps)));
    }
    for (const int share : {0, 25, 50, 75, 100})
      put(left_ + kSteps * kStep * share / 100, y + 26, "m s", fmt::format("{} %", share));
    y += 48;
    for (const VocabVerdictKind& kind : verdict_kinds()) {
      put(left_, y, "b", std::string(1, kind.letter));
      put(left_ + 18, y, "", std::string(kind.words));
      y += kLine;
    }
  }

  const VocabMatrix& matrix_;
  int left_ = 0, top_ = 0, side_ = 0, width_ = 0, height_ = 0;
  std::string text_;
};

}  // namespace

std::string to_text(const VocabMatrix& matrix) {
  std::string text = "of the draft's strings (columns), those that the target (rows) has, in %, and the verdict\n\n";
  text += table(matrix, [&](std::size_t target, std::size_t draft) {
    return fmt::format("{} {}", shown(of_draft(matrix, target, draft), 1), letter_of(matrix.at(target, draft).verdict));
  });
  text += "\n";
  for (const VocabVerdictKind& kind : verdict_kinds()) text += fmt::format("  {}  {}\n", kind.letter, kind.words);
  text += "\nof the ids that both hold, those of the same string, in %\n\n";
  return text + table(matrix, [&](std::size_t target, std::size_t draft) {
           return shown(of_ids(matrix.at(target, draft)), 2);
         });
}

std::string to_csv(const VocabMatrix& matrix) {
  std::string text;
  for_each_pair(matrix, [&](std::size_t target, std::size_t draft) {
    const Json pair = json_of(matrix, target, draft);
    std::string keys, line;
    for (const auto& [key, value] : pair.items()) {
      keys += fmt::format("{}{}", keys.empty() ? "" : ",", key);
      line += fmt::format("{}{}", line.empty() ? "" : ",", csv_text(value));
    }
    text += text.empty() ? fmt::format("{}\n{}\n", keys, line) : line + "\n";
  });
  return text;
}

std::string to_json(const VocabMatrix& matrix) {
  Json pairs = Json::array();
  for_each_pair(matrix,
                [&](std::size_t target, std::size_t draft) { pairs.push_back(json_of(matrix, target, draft)); });
  return Json{{"pairs", pairs}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_svg(const VocabMatrix& matrix) { return Picture(matrix).draw(); }

}  // namespace specdec

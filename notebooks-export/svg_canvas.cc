#include "notebooks-export/svg_canvas.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "notebooks-export/markup.h"

namespace specdec {
namespace {

constexpr std::array<std::string_view, 8> kColours{"#0072b2", "#d55e00", "#009e73", "#b8609a",
                                                   "#8a6d00", "#7b6bd6", "#2596a8", "#777777"};
constexpr std::string_view kInk = "#1f2328", kSoft = "#59636e", kGrid = "#e2e6ea", kRule = "#59636e";

std::string_view colour_of(std::string_view role) {
  if (role == "grid") return kGrid;
  return role == "soft" ? kSoft : role == "rule" ? kRule : kInk;
}

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

double character_width(std::string_view rest) {
  const char c = rest.front();
  if (static_cast<unsigned char>(c) >= 0xE1) return 1.05;  // from U+1000: as wide as high
  if (static_cast<unsigned char>(c) >= 0x80) return 0.65;
  if (std::string_view("il.,:;|'!()[]I ").find(c) != std::string_view::npos) return 0.34;
  if (std::string_view("mwMW@%").find(c) != std::string_view::npos) return 0.9;
  return c >= 'A' && c <= 'Z' ? 0.7 : 0.58;
}

// Without its middle: labels differ at their ends.
std::string cut(std::string_view words, double size, double most_width) {
  std::vector<std::string_view> characters;
  for (std::size_t begin = 0, end = 0; begin < words.size(); begin = end) {
    do ++end;
    while (end < words.size() && !begins_character(words[end]));
    characters.push_back(words.substr(begin, end - begin));
  }
  std::string head, tail;
  double left = most_width - size;  // the dots take some
  for (std::size_t front = 0, back = characters.size(); front < back;) {
    const bool in_front = head.size() < tail.size();
    const std::string_view next = in_front ? characters[front++] : characters[--back];
    left -= size * character_width(next);
    if (left < 0) break;
    in_front ? head.append(next) : tail.insert(0, next);
  }
  return head + "…" + tail;
}

}  // namespace

double text_width(std::string_view text, double size) {
  double width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_character(text[i])) width += size * character_width(text.substr(i));
  }
  return width;
}

std::string_view series_colour(std::size_t series) { return kColours[series % kColours.size()]; }

void SvgCanvas::text(double x, double y, std::string_view words, const SvgText& style) {
  const bool too_long = text_width(words, style.size) > style.most_width;
  shapes_ +=
      fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\"{}{}>{}{}</text>\n",
                  style.fill.empty() ? style.role : "", x, y, style.fill.empty() ? colour_of(style.role) : style.fill,
                  style.anchor == "start" ? "" : fmt::format(" text-anchor=\"{}\"", style.anchor),
                  style.size == kTextSize ? "" : fmt::format(" font-size=\"{}\"", style.size),
                  too_long ? "<title>" + markup(words) + "</title>" : "",
                  markup(too_long ? cut(words, style.size, style.most_width) : std::string(words)));
}

void SvgCanvas::line(double x1, double y1, double x2, double y2, std::string_view role, std::string_view more) {
  shapes_ +=
      fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{}{}/>\n",
                  role, x1, y1, x2, y2, colour_of(role), more.empty() ? "" : " ", more);
}

void SvgCanvas::series_line(std::string_view points, std::size_t series) {
  shapes_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", points,
                         series_colour(series), series < kColours.size() ? "" : " stroke-dasharray=\"6 3\"");
}

void SvgCanvas::series_bar(double x1, double y1, double x2, double y2, std::size_t series) {
  constexpr double kEnd = 3;
  const double across_x = x1 == x2 ? kEnd : 0, across_y = x1 == x2 ? 0 : kEnd;
  std::string path = fmt::format("M{:.1f} {:.1f}L{:.1f} {:.1f}", x1, y1, x2, y2);
  for (const auto& [x, y] : {std::pair{x1, y1}, std::pair{x2, y2}})
    path += fmt::format("M{:.1f} {:.1f}L{:.1f} {:.1f}", x - across_x, y - across_y, x + across_x, y + across_y);
  shapes_ +=
      fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n", path, series_colour(series));
}

void SvgCanvas::marker(double x, double y, std::size_t series, std::string_view tooltip) {
  static constexpr std::array<std::string_view, 8> kShapes{"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
                                                           "m-3.6 -3.6h7.2v7.2h-7.2z",
                                                           "m0 -4.8l4.6 8h-9.2z",
                                                           "m0 -5l5 5l-5 5l-5 -5z",
                                                           "m0 4.8l4.6 -8h-9.2z",
                                                           "m-4.8 0l8 4.6v-9.2z",
                                                           "m-1.6 -4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
                                                           "m4.8 0l-8 4.6v-9.2z"};
  shapes_ += fmt::format("<path d=\"M{:.1f} {:.1f}{}\" fill=\"{}\">{}</path>\n", x, y, kShapes[series % kShapes.size()],
                         series_colour(series), tooltip.empty() ? "" : "<title>" + markup(tooltip) + "</title>");
}

void SvgCanvas::box(double x, double y, double width, double height, std::string_view fill, std::string_view tooltip) {
  shapes_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" fill=\"{}\"", x, y, width,
                         height, fill);
  shapes_ += tooltip.empty() ? "/>\n" : "><title>" + markup(tooltip) + "</title></rect>\n";
}

std::string SvgCanvas::finish(double height, std::string_view title) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"system-ui, sans-serif\" font-size=\"{2}\" role=\"img\" aria-label=\"{3}\">\n{4}</svg>\n",
      width_, height, kTextSize, markup(title), shapes_);
}

std::string_view svg_style() {
  return R"(svg text.ink, svg text.soft { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  svg .ink { fill: #e6e8ea; }
  svg .soft { fill: #9aa4ae; }
  svg .paper { fill: #14181d; }
  svg text.ink, svg text.soft { stroke: #14181d; }
  svg .grid { stroke: #2c333b; }
  svg .rule { stroke: #9aa4ae; }
  svg line.ink { stroke: #e6e8ea; }
}
)";
}

std::string standalone(std::string_view svg) {
  const std::size_t inside = svg.find('>') + 1;
  return fmt::format("{}\n<style>{}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>{}",
                     svg.substr(0, inside), svg_style(), svg.substr(inside));
}

}  // namespace specdec

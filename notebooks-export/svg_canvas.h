// A drawing of a given width that grows downwards: shapes and words by role, in colours that serve light and dark
// pages.
//   SvgCanvas canvas(720);
//   canvas.text(10, 20, "layer", {.role = "soft"});
//   std::string svg = canvas.finish(200, "Experts by layer");
#pragma once

#include <string>
#include <string_view>

namespace specdec {

constexpr double kTextSize = 12;

struct SvgText {
  std::string_view role = "ink";      // ink or soft
  std::string_view anchor = "start";  // start, middle or end
  double size = kTextSize;
  double most_width = 1e9;     // what is longer loses its middle, and is whole in its tooltip
  std::string_view fill = {};  // instead of the role's
};

// About: fonts differ.
double text_width(std::string_view text, double size = kTextSize);

// One of eight colours that are told apart by all and seen on white and on black; beyond that, they come again.
std::string_view series_colour(std::size_t series);

class SvgCanvas {
 public:
  explicit SvgCanvas(double width) : width_(width) {}

  void text(double x, double y, std::string_view words, const SvgText& style = {});
  void line(double x1, double y1, double x2, double y2, std::string_view role, std::string_view more = "");
  void series_line(std::string_view points, std::size_t series);
  void series_bar(double x1, double y1, double x2, double y2, std::size_t series);  // of an interval, with ends
  // A shape for each series, so that it can be told without its colour.
  void marker(double x, double y, std::size_t series, std::string_view tooltip = "");
  void box(double x, double y, double width, double height, std::string_view fill, std::string_view tooltip = "");

  double width() const { return width_; }
  // Inside of a page that has svg_style(); by itself it is right on white.
  std::string finish(double height, std::string_view title) const;

 private:
  double width_;
  std::string shapes_;
};

// What makes drawings dark where the reader's screen is, and words legible on lines.
std::string_view svg_style();

// A drawing as a picture of its own, with its ground.
std::string standalone(std::string_view svg);

}  // namespace specdec

#include "notebooks-export/svg_plot.h"

#include "notebooks-export/plots/draw_plot.h"

namespace specdec {

std::string svg_of(const Plot& plot, double width, std::string_view title) {
  SvgCanvas canvas(width);
  const double height = std::visit([&](const auto& kind) { return draw(canvas, kind); }, plot);
  return canvas.finish(height, title);
}

}  // namespace specdec

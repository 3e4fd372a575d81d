// Plots drawn: every arm is labelled where it stands, or by number with a key below where there is no room.
#pragma once

#include <string>
#include <string_view>

#include "notebooks-export/plot.h"

namespace specdec {

constexpr double kWideFigure = 860, kNarrowFigure = 340;  // of a desk and of a phone

std::string svg_of(const Plot& plot, double width, std::string_view title);

}  // namespace specdec

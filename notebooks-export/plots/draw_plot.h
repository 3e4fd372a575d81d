// How each kind of plot is drawn: onto a canvas of any width, giving the height that it took.
#pragma once

#include "notebooks-export/plot.h"
#include "notebooks-export/svg_canvas.h"

namespace specdec {

double draw(SvgCanvas& canvas, const LinePlot& plot);
double draw(SvgCanvas& canvas, const DotPlot& plot);
double draw(SvgCanvas& canvas, const ScatterPlot& plot);
double draw(SvgCanvas& canvas, const HeatPlot& plot);
double draw(SvgCanvas& canvas, const StackPlot& plot);

}  // namespace specdec

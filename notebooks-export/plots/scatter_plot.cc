#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "notebooks-export/cells.h"
#include "notebooks-export/plots/axes.h"
#include "notebooks-export/plots/draw_plot.h"

namespace specdec {
namespace {

constexpr double kWide = 600, kTop = 28, kLeft = 42;

struct LabelBox {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool meets(const LabelBox& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

using Spot = std::pair<double, double>;

bool holds(const LabelBox& box, const Spot& spot) {
  return spot.first > box.left && spot.first < box.right && spot.second > box.top && spot.second < box.bottom;
}

Spot centre_of(const LabelBox& box) { return {(box.left + box.right) / 2, (box.top + box.bottom) / 2}; }

std::vector<Spot> spots_between(const Spot& from, const Spot& to) {
  const int count = 1 + static_cast<int>(std::hypot(to.first - from.first, to.second - from.second) / 4);
  std::vector<Spot> spots;
  for (int i = 0; i <= count; ++i) {
    const double share = 1.0 * i / count;
    spots.emplace_back(std::lerp(from.first, to.first, share), std::lerp(from.second, to.second, share));
  }
  return spots;
}

// From a point to its label, if that is so far away that it needs a line.
std::vector<Spot> leader_of(const LabelBox& point, const LabelBox& label) {
  const auto [x, y] = centre_of(point);
  const Spot near{std::clamp(x, label.left, label.right), std::clamp(y, label.top, label.bottom)};
  if (std::abs(near.first - x) + std::abs(near.second - y) <= 14) return {};
  return spots_between({x, y}, near);
}

// Around each point, near before far, the first place where nothing else stands, and no line runs; none for some labels
// of a crowd.
std::vector<std::optional<LabelBox>> places_of(const std::vector<LabelBox>& points,
                                               const std::vector<std::string>& labels, const LabelBox& area,
                                               std::vector<Spot> lines) {
  constexpr std::array<std::pair<double, double>, 8> kDirections{
      {{1, 0}, {1, -0.7}, {1, 0.7}, {-1, 0}, {-1, -0.7}, {-1, 0.7}, {0, -1}, {0, 1}}};
  std::vector<LabelBox> placed;
  std::vector<std::optional<LabelBox>> places;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double width = text_width(labels[i]) + 4, height = 14;
    const auto [x, y] = centre_of(points[i]);
    std::optional<LabelBox> found;
    for (double distance = 8; distance <= 50 && !found; distance += 7) {
      for (const auto& [right, down] : kDirections) {
        const double left = right > 0 ? x + distance : right < 0 ? x - distance - width : x - width / 2;
        const double middle = y + down * (distance + (right == 0 ? height / 2 : 0));
        const LabelBox box{left, middle - height / 2, left + width, middle + height / 2};
        const auto free_of = [&](const LabelBox& other) { return !box.meets(other); };
        if (box.left < area.left || box.right > area.right || box.top < area.top || box.bottom > area.bottom) continue;
        if (!std::ranges::all_of(points, free_of) || !std::ranges::all_of(placed, free_of)) continue;
        if (std::ranges::any_of(lines, [&](const Spot& spot) { return holds(box, spot); })) continue;
        const std::vector<Spot> leader = leader_of(points[i], box);
        const auto crossed = [&](const LabelBox& other) {
          return std::ranges::any_of(leader, [&](const Spot& spot) { return holds(other, spot); });
        };
        if (std::ranges::any_of(placed, crossed)) continue;
        lines.insert(lines.end(), leader.begin(), leader.end());
        found = box;
        break;
      }
    }
    if (found) placed.push_back(*found);
    places.push_back(found);
  }
  return places;
}

void draw_label(SvgCanvas& canvas, const LabelBox& point, const LabelBox& box, std::string_view words) {
  const std::vector<Spot> leader = leader_of(point, box);
  if (!leader.empty())
    canvas.line(leader.front().first, leader.front().second, leader.back().first, leader.back().second, "rule",
                "stroke-width=\"0.7\"");
  canvas.text(box.left + 2, box.bottom - 3, words, {.size = 11});
}

}  // namespace

double draw(SvgCanvas& canvas, const ScatterPlot& plot) {
  double most_x = 0, most_y = 1, least_y = 1;
  for (const PlotPlace& place : plot.places) {
    most_x = std::max(most_x, place.point.x);
    most_y = std::max({most_y, place.point.y, place.point.span ? place.point.span->high : 0});
    least_y = std::min(least_y, place.point.y);
  }
  if (least_y < 1) least_y = 0;
  const bool wide = canvas.width() >= kWide;
  const double height = wide ? 400 : 300, bottom = kTop + height, right = canvas.width() - 16;
  const PlotScale x{0, with_room(most_x), kLeft, right - 12};
  const PlotScale y{least_y, with_room(most_y, least_y), bottom - 8, kTop + 8};
  canvas.text(4, 14, plot.y, {.role = "soft"});
  draw_ticks_left(canvas, y, kLeft, right);
  draw_ticks_below(canvas, x, x.ticks(), kTop, bottom);
  canvas.text((kLeft + right) / 2, bottom + 36, plot.x, {.anchor = "middle"});

  std::vector<const PlotPlace*> front;
  for (const PlotPlace& place : plot.places) {
    if (place.on_front) front.push_back(&place);
  }
  std::ranges::sort(front, {}, [](const PlotPlace* place) { return place->point.x; });
  std::vector<Spot> lines;
  for (std::size_t i = 1; i < front.size(); ++i) {
    const Spot from{x(front[i - 1]->point.x), y(front[i - 1]->point.y)}, to{x(front[i]->point.x), y(front[i]->point.y)};
    canvas.line(from.first, from.second, to.first, to.second, "rule", "stroke-width=\"1.5\"");
    std::ranges::copy(spots_between(from, to), std::back_inserter(lines));
  }

  std::vector<LabelBox> points;
  std::vector<std::string> labels, numbers;
  for (const PlotPlace& place : plot.places) {
    const double at_x = x(place.point.x), at_y = y(place.point.y);
    if (place.point.span)
      canvas.series_bar(at_x, y(std::max(place.point.span->low, least_y)), at_x, y(place.point.span->high),
                        place.family);
    points.push_back({at_x - 5, at_y - 5, at_x + 5, at_y + 5});
    labels.push_back(place.name);
    numbers.push_back(fmt::format("{}", numbers.size() + 1));
  }
  for (const PlotPlace& place : plot.places)
    canvas.marker(x(place.point.x), y(place.point.y), place.family,
                  fmt::format("{}: {} {}, {} {}", place.name, short_number(place.point.x), plot.x,
                              short_number(place.point.y), plot.y));

  const LabelBox area{kLeft, kTop - 6, canvas.width() - 2, bottom};
  std::vector<std::optional<LabelBox>> places = places_of(points, labels, area, lines);
  const bool named = std::ranges::all_of(places, [](const auto& place) { return place.has_value(); });
  if (!named) places = places_of(points, numbers, area, {});
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (places[i]) draw_label(canvas, points[i], *places[i], named ? labels[i] : numbers[i]);
  }
  if (named) return bottom + 46;
  std::vector<PlotKey> key;
  for (std::size_t i = 0; i < labels.size(); ++i)
    key.push_back({fmt::format("{}  {}", numbers[i], labels[i]), plot.places[i].family});
  return bottom + 52 + draw_key(canvas, key, 8, bottom + 48, canvas.width() - 12);
}

}  // namespace specdec

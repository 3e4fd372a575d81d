#include "cli/probe_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/line_chart.h"
#include "experiments/provenance.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

std::string head_text(const ProbeReport& report) {
  const Probe& found = report.found;
  const RoutedShape& shape = found.shape;
  const double made = static_cast<double>(found.expert_bytes) * found.stored * found.layers;
  std::string text = fmt::format("specdec {}, {}\n{}, {} cores, {}, {} threads\n", version(), report.date,
                                 found.machine.cpu, found.machine.cores, found.instruction_set, found.threads);
  text += fmt::format("{}: a row chooses {} of {} experts in {} layers; an expert is {} x {}{}\n", shape.name,
                      shape.experts_per_token, shape.experts, shape.layers, shape.hidden, shape.width,
                      shape.gated ? "" : ", without a gate");
  text += fmt::format(
      "random weights, {}: {:.3f} MB an expert ({:.3f} MB packed); {} of {} layers with {} experts, {:.2f} GB\n",
      found.options.format, static_cast<double>(found.expert_bytes) / 1e6,
      static_cast<double>(found.packed_expert_bytes) / 1e6, found.layers, shape.layers, found.stored, made / 1e9);
  text += fmt::format("natural routing: {}, {} of {} experts, carried over to {} of {} by its share of even routing\n",
                      found.natural.title, found.natural.experts_per_token, found.natural.experts,
                      shape.experts_per_token, shape.experts);
  if (made < 2 * static_cast<double>(found.machine.last_level_cache_bytes)) {
    text += fmt::format("these experts fit the last-level cache ({:.0f} MB) or nearly so: their bytes are not paid\n",
                        static_cast<double>(found.machine.last_level_cache_bytes) / 1e6);
  }
  for (const std::string& note : found.notes) text += note + "\n";
  return text;
}

std::string curves_text(const std::vector<ProbePoint>& points, std::string_view title) {
  std::vector<int> widths;
  for (const ProbePoint& point : points) {
    if (std::ranges::find(widths, point.rows) == widths.end()) widths.push_back(point.rows);
  }
  std::ranges::sort(widths);
  std::string text = fmt::format("\n{}\n{:>4}", title, "w");
  for (const Routing routing : kRoutings) text += fmt::format("{:>24}", name_of(routing));
  text += "\n    ";
  for (std::size_t i = 0; i < kRoutings.size(); ++i) text += fmt::format("{:>12}{:>12}", "ms", "experts");
  text += "\n";
  for (const int rows : widths) {
    text += fmt::format("{:>4}", rows);
    for (const Routing routing : kRoutings) {
      const auto same = [&](const ProbePoint& point) { return point.routing == routing && point.rows == rows; };
      const auto point = std::ranges::find_if(points, same);
      text += point == points.end() ? fmt::format("{:>24}", "-")
                                    : fmt::format("{:>12.4g}{:>12.1f}", 1e3 * point->s.value, point->woken);
    }
    text += "\n";
  }
  for (const Routing routing : kRoutings) text += fmt::format("  {}: {}\n", name_of(routing), meaning_of(routing));
  return text;
}

std::string scaled(const Interval& cost, double scale, std::string_view unit) {
  return fmt::format("{:.4g} {} ({:.4g} to {:.4g})", cost.value * scale, unit, cost.low * scale, cost.high * scale);
}

std::string costs_text(const Probe& found) {
  if (!found.costs.told_apart) {
    return "\none row and two larger widths are needed to tell apart what bytes, pairs and the layer itself cost\n";
  }
  const ProbeCosts& costs = found.costs;
  const auto expert = static_cast<double>(found.expert_bytes);
  std::string text =
      "\nwhat a layer costs, fitted to all of these; in brackets what 95 % of the fits lie in when the rounds are "
      "drawn again\n";
  const auto line = [&](std::string_view name, const std::string& value, const std::string& meaning) {
    text += fmt::format("  {:<26}{:<42}{}\n", name, value, meaning);
  };
  const Interval rate = inverse(costs.byte_s);
  line("bytes of the experts", rate.value > 0 ? scaled(rate, 1e-9, "GB/s") : "nothing",
       fmt::format("with the first row of each; {:.4g} us an expert; memory here reads {}",
                   1e6 * costs.byte_s.value * expert, scaled(found.read_bytes_per_s, 1e-9, "GB/s")));
  line("each further row on one", scaled(costs.slot_s, 1e6, "us"),
       fmt::format("{:.2f} times an expert's bytes",
                   costs.byte_s.value > 0 ? costs.slot_s.value / (costs.byte_s.value * expert) : 0));
  line("more than one row", scaled(costs.switch_s, 1e6, "us"), "once a layer");
  line("fixed", scaled(costs.fixed_s, 1e6, "us"), "once a layer");
  text += fmt::format("  the fit is off by {:.1f} % in the middle and {:.1f} % at most\n", 100 * costs.median_error,
                      100 * costs.worst_error);
  if (found.slope_bytes_per_s.value > 0) {
    text += fmt::format("  further disjoint rows come at {}, {:.0f} % of what memory reads\n",
                        scaled(found.slope_bytes_per_s, 1e-9, "GB/s"),
                        100 * found.slope_bytes_per_s.value / found.read_bytes_per_s.value);
  }
  if (found.roofline_share.value > 0) {
    text += fmt::format("  one row runs at {} of the roofline: its bytes at what memory reads\n",
                        scaled(found.roofline_share, 100, "%"));
  }
  return text;
}

// Whether the curves separate as the bytes say.
std::string verdict_text(const Probe& found) {
  const ProbePoint* one = found.at(Routing::same, 1);
  if (one == nullptr) return "";
  std::string text = "\n";
  for (const int rows : {2, 4, 8, 16}) {
    const ProbePoint* same = found.at(Routing::same, rows);
    const ProbePoint* disjoint = found.at(Routing::disjoint, rows);
    if (same == nullptr || disjoint == nullptr) continue;
    const double repeats = (rows - 1) * found.shape.experts_per_token;
    text += fmt::format(
        "{:>2} rows on the same experts take {:.2f} times one row (bytes: 1), of which further rows on an expert are "
        "{:.2f}; disjoint {:.2f} times (bytes: {})\n",
        rows, same->s.value / one->s.value, found.costs.slot_s.value * repeats / one->s.value,
        disjoint->s.value / one->s.value, rows);
  }
  return text;
}

std::string disk_text(const Probe& found) {
  if (found.loads.empty()) return "";
  std::string text =
      curves_text(found.from_disk, fmt::format("a layer whose experts all come from disk, {}", found.reads));
  text += "\nwhat it takes longer if n of its experts have to come from disk, with so many buffers to read into\n";
  text += fmt::format("{:>4}{:>10}{:>12}{:>12}{:>14}\n", "n", "buffers", "ms", "MB/s", "of it packing");
  for (const ProbeLoad& load : found.loads) {
    text += fmt::format("{:>4}{:>10}{:>12.4g}{:>12.1f}{:>12.0f} %\n", load.experts, load.buffers, 1e3 * load.s.value,
                        static_cast<double>(found.expert_bytes) * load.experts / load.s.value / 1e6,
                        100 * load.packing_share);
  }
  if (found.disk_bytes_per_s > 0)
    text += fmt::format("further experts come at {:.1f} MB/s\n", found.disk_bytes_per_s / 1e6);
  return text;
}

Json json_of(const Interval& interval) { return {interval.value, interval.low, interval.high}; }

Json json_of(const Probe& found, const std::vector<ProbePoint>& points) {
  Json all = Json::array();
  for (const ProbePoint& point : points) {
    all.push_back({{"routing", name_of(point.routing)},
                   {"rows", point.rows},
                   {"slots", point.rows * found.shape.experts_per_token},
                   {"experts", point.woken},
                   {"bytes", point.bytes},
                   {"seconds", point.s.value},
                   {"seconds_low", point.s.low},
                   {"seconds_high", point.s.high}});
  }
  return all;
}

}  // namespace

std::string summary_of(const ProbeReport& report) {
  const Probe& found = report.found;
  return head_text(report) +
         curves_text(
             found.points,
             fmt::format("a layer of w rows, experts in memory: medians of {} rounds, all in turn", found.rounds)) +
         costs_text(found) + verdict_text(found) + disk_text(found);
}

std::string json_of(const ProbeReport& report) {
  const Probe& found = report.found;
  const RoutedShape& shape = found.shape;
  Json loads = Json::array();
  for (const ProbeLoad& load : found.loads) {
    loads.push_back({{"experts", load.experts},
                     {"buffers", load.buffers},
                     {"seconds", load.s.value},
                     {"seconds_low", load.s.low},
                     {"seconds_high", load.s.high},
                     {"mean_seconds", load.mean_s},
                     {"packing_share", load.packing_share}});
  }
  const ProbeCosts& costs = found.costs;
  Json json{{"probe",
             {{"command", report.command},
              {"version", version()},
              {"date", report.date},
              {"options", Json::parse(json_of(report.options))},
              {"machine", Json::parse(json_of(found.machine, found.threads, found.instruction_set))}}},
            {"shape",
             {{"name", shape.name},
              {"hidden", shape.hidden},
              {"width", shape.width},
              {"experts", shape.experts},
              {"experts_per_token", shape.experts_per_token},
              {"layers", shape.layers},
              {"gated", shape.gated}}},
            {"format", found.options.format},
            {"seed", found.options.seed},
            {"made", {{"layers", found.layers}, {"experts_per_layer", found.stored}}},
            {"expert_bytes", found.expert_bytes},
            {"packed_expert_bytes", found.packed_expert_bytes},
            {"natural_routing",
             {{"title", found.natural.title},
              {"source", found.natural.source},
              {"experts", found.natural.experts},
              {"experts_per_token", found.natural.experts_per_token},
              {"unions", found.natural.unions}}},
            {"notes", found.notes},
            {"rounds", found.rounds},
            {"read_bytes_per_s", json_of(found.read_bytes_per_s)},
            {"points", json_of(found, found.points)},
            {"costs",
             {{"union_s_per_byte", json_of(costs.byte_s)},
              {"slot_s", json_of(costs.slot_s)},
              {"width_switch_s", json_of(costs.switch_s)},
              {"fixed_s", json_of(costs.fixed_s)},
              {"median_error", costs.median_error},
              {"worst_error", costs.worst_error},
              {"told_apart", costs.told_apart}}},
            {"disjoint_slope_bytes_per_s", json_of(found.slope_bytes_per_s)},
            {"roofline_share", json_of(found.roofline_share)},
            {"flops_per_s", found.flops_per_s},
            {"reads", found.reads},
            {"points_from_disk", json_of(found, found.from_disk)},
            {"loads", loads},
            {"disk_bytes_per_s", found.disk_bytes_per_s}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string picture_of(const Probe& found) {
  LineChart chart{.title = fmt::format("a layer of {} in {}, {} threads of {}", found.shape.name, found.options.format,
                                       found.threads, found.machine.cpu),
                  .x = "rows of a pass",
                  .y = "ms per layer; dashed: bytes of the distinct experts at what memory reads",
                  .lines = {}};
  for (const Routing routing : kRoutings) {
    ChartLine measured{.name = std::string(name_of(routing)), .points = {}};
    for (const ProbePoint& point : found.points) {
      if (point.routing == routing) measured.points.emplace_back(point.rows, 1e3 * point.s.value);
    }
    chart.lines.push_back(std::move(measured));
  }
  ChartLine bytes{.name = "bytes alone, disjoint", .points = {}, .dashed = true};
  for (const ProbePoint& point : found.points) {
    if (point.routing == Routing::disjoint) {
      bytes.points.emplace_back(point.rows, 1e3 * point.bytes / found.read_bytes_per_s.value);
    }
  }
  chart.lines.push_back(std::move(bytes));
  return svg_of(chart);
}

}  // namespace specdec

#include "verify/overlap_curve.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files/json.h"
#include "core/traffic.h"

namespace specdec {
namespace {

constexpr int kMostRows = 16;
constexpr int kMostRow = 1 << 16, kMostLayer = 1 << 10, kMostExpert = 1 << 13;  // numbers of them in a trace

int whole(const nlohmann::json& value, int most, std::string_view what, const std::string& where) {
  return static_cast<int>(whole_number(value, what, 0, most, where));
}

const nlohmann::json& list_of(const nlohmann::json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_array()) {
    throw Error("{}: '{}' is missing or no list; is it the trace of specdec run?", where, key);
  }
  return object[key];
}

OverlapCurve read_trace(const std::string& path) {
  std::ifstream lines(path);
  if (!lines) throw Error("{}: cannot be read", path);
  RoutedText text;
  OverlapCurve curve{
      .name = std::filesystem::path(path).stem().string(), .title = "the trace " + path, .source = path, .unions = {}};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", path, ++number);
    const nlohmann::json step = parse_json(line, where);
    if (number == 1) {
      if (const auto at = nlohmann::json::json_pointer("/run/target/experts"); step.contains(at)) {
        curve.experts = whole(step[at], kMostExpert, "'experts'", where);
      }
      continue;
    }
    std::vector<int> kept;
    for (const auto& row : list_of(step, "path", where)) kept.push_back(whole(row, kMostRow, "a row", where));
    std::vector<RouterUse> routed;
    for (const auto& use : list_of(step, "routed_row_layer_expert", where)) {
      if (!use.is_array() || use.size() != 3) throw Error("{}: expected [row, layer, expert]", where);
      routed.push_back({whole(use[0], kMostRow, "a row", where), whole(use[1], kMostLayer, "a layer", where),
                        whole(use[2], kMostExpert, "an expert", where)});
    }
    text.add(kept, routed);
  }
  if (text.layers() == 0) throw Error("{}: no routed experts; expected the trace of a mixture of experts", path);
  if (text.tokens() < 2 * kMostRows) {
    throw Error("{}: {} tokens are too few to see how rows overlap; expected {} or more", path, text.tokens(),
                2 * kMostRows);
  }
  curve.experts = std::max(curve.experts, text.most_expert() + 1);
  curve.experts_per_token = text.experts_per_token();
  curve.unions = mean_unions(std::span(&text, 1), kMostRows);
  return curve;
}

}  // namespace

std::vector<double> OverlapCurve::mapped(int of_experts, int per_token) const {
  std::vector<double> others;
  for (std::size_t i = 0; i < unions.size(); ++i) {
    const int rows = static_cast<int>(i) + 1;
    const double most = std::min<double>(of_experts, static_cast<double>(per_token) * rows);
    const double share = unions[i] / uniform_union(experts, experts_per_token, rows);
    others.push_back(std::clamp<double>(share * uniform_union(of_experts, per_token, rows), per_token, most));
  }
  return others;
}

OverlapCurve read_overlap(const ConfigReader& file, std::string name) {
  OverlapCurve curve{.name = std::move(name),
                     .title = file.text("title", ""),
                     .source = file.text("source", ""),
                     .experts = file.count("experts"),
                     .experts_per_token = file.count("experts_per_token"),
                     .unions = file.numbers("unions")};
  if (curve.source.empty()) throw Error("{}: source is missing; expected where it was measured", file.origin());
  if (curve.unions.empty()) throw Error("{}: 'unions' is missing; expected experts at 1, 2, … rows", file.origin());
  for (std::size_t i = 0; i < curve.unions.size(); ++i) {
    const double most = std::min<double>(curve.experts, curve.experts_per_token * (1.0 + static_cast<double>(i)));
    if (curve.unions[i] >= curve.experts_per_token && curve.unions[i] <= most) continue;
    throw Error("{}: {} rows wake {} experts; expected {} to {}", file.origin(), i + 1, curve.unions[i],
                curve.experts_per_token, most);
  }
  return curve;
}

std::string json_of(const OverlapCurve& curve) {
  return fmt::format(
      "{{\n \"title\": {},\n \"source\": {},\n \"experts\": {},\n \"experts_per_token\": {},\n \"unions\": "
      "[{:.3f}]\n}}\n",
      nlohmann::json(curve.title).dump(), nlohmann::json(curve.source).dump(), curve.experts, curve.experts_per_token,
      fmt::join(curve.unions, ", "));
}

std::span<const OverlapCurve> overlap_curves() {
  static const std::vector<OverlapCurve> curves = [] {
    std::vector<OverlapCurve> all;
    for (const NamedText& file : overlap_files()) {
      all.push_back(read_overlap(ConfigReader(file.text, fmt::format("{}.json", file.name)), std::string(file.name)));
    }
    return all;
  }();
  return curves;
}

OverlapCurve find_overlap(const std::string& name, std::string_view option, std::vector<std::string_view> names) {
  if (name.ends_with(".json")) {
    return read_overlap(ConfigReader::of_file(name), std::filesystem::path(name).stem().string());
  }
  if (std::filesystem::is_regular_file(name)) return read_trace(name);
  for (const OverlapCurve& curve : overlap_curves()) {
    if (curve.name == name) return curve;
    names.push_back(curve.name);
  }
  throw UsageError("{} {}: no overlap is called that; there are: {}; or give the trace of specdec run, or a .json file",
                   option, name, fmt::join(names, ", "));
}

void RoutedText::add(std::span<const int> path, RouterTrace routed) {
  const auto first = tokens_.size();
  tokens_.resize(first + path.size());
  for (const RouterUse& use : routed) {
    const auto at = std::ranges::find(path, use.row);
    if (at == path.end()) continue;
    tokens_[first + static_cast<std::size_t>(at - path.begin())].emplace_back(use.layer, use.expert);
    most_layer_ = std::max(most_layer_, use.layer);
    most_expert_ = std::max(most_expert_, use.expert);
  }
  if (layers_ > 0 || tokens_.empty()) return;
  std::set<int> layers;
  for (const auto& [layer, expert] : tokens_.front()) layers.insert(layer);
  layers_ = static_cast<int>(layers.size());
}

int RoutedText::experts_per_token() const {
  return layers_ == 0 ? 0 : static_cast<int>(tokens_.front().size()) / layers_;
}

std::vector<double> RoutedText::summed_unions(int most_rows) const {
  std::vector<double> sums(static_cast<std::size_t>(most_rows), 0);
  const auto experts = static_cast<std::size_t>(most_expert_ + 1);
  std::vector<std::size_t> seen(experts * static_cast<std::size_t>(most_layer_ + 1), 0);  // by the place, from 1
  for (std::size_t place = 0; place < tokens_.size(); ++place) {
    std::size_t woken = 0;
    for (std::size_t row = 0; row < sums.size() && place + row < tokens_.size(); ++row) {
      for (const auto& [layer, expert] : tokens_[place + row]) {
        std::size_t& last = seen[static_cast<std::size_t>(layer) * experts + static_cast<std::size_t>(expert)];
        woken += last != place + 1;
        last = place + 1;
      }
      sums[row] += static_cast<double>(woken) / layers_;
    }
  }
  return sums;
}

std::vector<double> mean_unions(std::span<const RoutedText> texts, int most_rows) {
  std::vector<double> means(static_cast<std::size_t>(most_rows), 0);
  std::vector<double> places(means.size(), 0);
  for (const RoutedText& text : texts) {
    if (text.tokens() < most_rows) continue;
    const std::vector<double> sums = text.summed_unions(most_rows);
    for (std::size_t i = 0; i < means.size(); ++i) {
      means[i] += sums[i];
      places[i] += text.places(static_cast<int>(i) + 1);
    }
  }
  for (std::size_t i = 0; i < means.size(); ++i) means[i] = places[i] > 0 ? means[i] / places[i] : 0;
  return means;
}

}  // namespace specdec

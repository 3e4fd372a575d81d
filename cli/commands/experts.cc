// specdec experts: what other policies and budgets would have loaded for a run that was traced, and how fast it would
// have been.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/line_chart.h"
#include "core/error.h"
#include "core/files/output_file.h"
#include "experiments/expert_sweep.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;
using Paths = std::vector<std::filesystem::path>;

std::string loads_text(const SweepLogs& logs, const std::vector<SweepLine>& lines) {
  const bool both = logs.plain.has_value();
  std::string text = fmt::format("  {:<10}{:>8}   {:<12}{:>12}{:>12}{:>14}", "budget", "slots", "policy", "loads",
                                 "hit rate", "kB per token");
  if (both) text += fmt::format("{:>16}{:>12}{:>14}", "plain: loads", "hit rate", "kB per token");
  text += "\n";
  for (const SweepLine& line : lines) {
    text += fmt::format("  {:<10}{:>8}   {:<12}{:>12}{:>10.1f} %{:>14.1f}", line.budget, line.slots, line.policy,
                        line.run.counts.loads, 100 * line.run.hit_rate, line.run.bytes_per_token / 1e3);
    if (both) {
      text += fmt::format("{:>16}{:>10.1f} %{:>14.1f}", line.plain->counts.loads, 100 * line.plain->hit_rate,
                          line.plain->bytes_per_token / 1e3);
    }
    text += "\n";
  }
  return text + "Loads are those of the steps; the prompt before them fills the memory.\n";
}

std::string rate(const std::optional<double>& number, int digits) {
  return number ? fmt::format("{:.{}f}", *number, digits) : "-";
}

std::string error_of(const std::optional<double>& predicted, const std::optional<double>& measured) {
  if (!predicted || !measured) return "-";
  return fmt::format("{:+.0f} %", 100 * (*predicted / *measured - 1));
}

// Predicted beside measured, where there is both.
std::string speeds_text(const std::vector<SweepLine>& lines) {
  std::string text =
      fmt::format("\npredicted (measured, and how far the prediction is off)\n  {:<10}{:<12}{:>32}{:>32}{:>26}\n",
                  "budget", "policy", "tokens/s", "plain tokens/s", "speed-up");
  for (const SweepLine& line : lines) {
    const auto cell = [](const std::optional<double>& predicted, const std::optional<double>& measured, int digits) {
      return measured ? fmt::format("{} ({}, {})", rate(predicted, digits), rate(measured, digits),
                                    error_of(predicted, measured))
                      : rate(predicted, digits);
    };
    const SweepSide plain = line.plain.value_or(SweepSide{});
    text += fmt::format("  {:<10}{:<12}{:>32}{:>32}{:>26}\n", line.budget, line.policy,
                        cell(line.run.tokens_per_s, line.run.measured_tokens_per_s, 2),
                        cell(plain.tokens_per_s, plain.measured_tokens_per_s, 2),
                        cell(line.speed_up(), line.measured_speed_up(), 2));
  }
  return text;
}

std::vector<std::pair<double, double>> curve_of(const std::vector<SweepLine>& lines, const std::string& policy,
                                                const std::function<std::optional<double>(const SweepLine&)>& value) {
  std::vector<std::pair<double, double>> points;
  for (const SweepLine& line : lines) {
    if (const auto y = value(line); line.policy == policy && y) points.emplace_back(line.share, *y);
  }
  std::ranges::sort(points);
  return points;
}

std::string verdict_of(const std::string& what, const std::vector<std::pair<double, double>>& speed_ups) {
  if (speed_ups.empty()) return "";
  const bool pays_first = speed_ups.front().second > 1;
  const std::vector<double> shares = crossings_of_one(speed_ups);
  if (shares.empty())
    return fmt::format("{}: guessing pays at {} of these budgets\n", what, pays_first ? "all" : "none");
  std::string text = what + ": guessing pays";
  bool pays = pays_first;
  for (const double share : shares) {
    text += fmt::format("{} {:.0f} % of all experts", pays ? " up to" : " from", 100 * share);
    pays = !pays;
  }
  return text + "\n";
}

class Experts : public Job {
 public:
  std::vector<Option> options() override {
    return {{"trace", &trace_, "what specdec run --trace wrote", Option::Presence::required},
            {"plain", &plain_, "the trace of --draft none, for speed-ups"},
            {"policy", &policies_,
             "lru, lfu, belady (the fewest that there can be), static: the hot set of this trace, or static:FILE"},
            {"budget", &budgets_, "memory for experts: shares such as 25%, sizes such as 2GiB"},
            {"probe", &probes_,
             "what specdec probe --json wrote of such experts on this machine: predicts tokens per second"},
            {"measured", &measured_, "what specdec run --json wrote with these budgets, to set beside the prediction"},
            {"json", &json_, "write the tables to this file"},
            {"svg", &svg_, "write a picture of speeds, or else of loads, to this file"}};
  }

  int run() override {
    for (const auto& file : {json_, svg_}) {
      if (file) check_writable(*file);
    }
    const SweepLogs logs = read_sweep_logs(trace_, plain_);
    std::optional<LoadTimes> loads;
    if (!probes_.empty()) loads = read_load_times(Paths(probes_.begin(), probes_.end()));
    std::vector<SweepLine> lines = sweep_experts(logs, policies_, budgets_, loads ? &*loads : nullptr);
    add_measured(Paths(measured_.begin(), measured_.end()), lines);
    const ExpertLog& log = logs.run;
    fmt::print("{}: {} tokens, {} experts of {:.1f} kB in {} layers\n\n{}", trace_, log.tokens, log.sizes.experts,
               static_cast<double>(log.expert_bytes) / 1e3, log.layers.size(), loads_text(logs, lines));
    if (loads || !measured_.empty()) fmt::print("{}", speeds_text(lines));
    for (const std::string& policy : policies_) {
      fmt::print("{}{}", verdict_of(policy + ", predicted", curve_of(lines, policy, &SweepLine::speed_up)),
                 verdict_of(policy + ", measured", curve_of(lines, policy, &SweepLine::measured_speed_up)));
    }
    const std::optional<ReplayCounts> same = replay_as_it_ran(log);
    if (same) {
      fmt::print("The run itself: {} loads by its store with {} slots and {}, {} counted from the trace.\n", log.loads,
                 log.room.slots, log.policy, same->all.loads);
    }
    if (json_) write_file(*json_, json_of(log, lines, same));
    if (svg_) write_file(*svg_, picture_of(lines));
    if (same && same->all.loads != log.loads) {
      throw Error("{}: the store counted {} loads, the trace gives {}: this is a bug of specdec", trace_, log.loads,
                  same->all.loads);
    }
    return 0;
  }

 private:
  static Json json_of(const SweepSide& side) {
    Json json{{"wanted", side.counts.wanted},
              {"loads", side.counts.loads},
              {"hit_rate", side.hit_rate},
              {"bytes_per_token", side.bytes_per_token}};
    if (side.tokens_per_s) json["predicted_tokens_per_s"] = *side.tokens_per_s;
    if (side.measured_tokens_per_s) json["measured_tokens_per_s"] = *side.measured_tokens_per_s;
    return json;
  }

  static std::string json_of(const ExpertLog& log, const std::vector<SweepLine>& lines,
                             const std::optional<ReplayCounts>& same) {
    Json table = Json::array();
    for (const SweepLine& line : lines) {
      Json& entry = table.emplace_back(
          Json{{"budget", line.budget}, {"share", line.share}, {"slots", line.slots}, {"policy", line.policy}});
      entry.update(json_of(line.run));
      if (line.plain) entry["plain"] = json_of(*line.plain);
    }
    Json all{{"tokens", log.tokens}, {"experts", log.sizes.experts}, {"expert_bytes", log.expert_bytes}};
    if (same) {
      all["run"] = {{"policy", log.policy},
                    {"slots", log.room.slots},
                    {"loads_of_store", log.loads},
                    {"loads_of_trace", same->all.loads},
                    {"prefetched_used_of_store", log.prefetched_used},
                    {"prefetched_used_of_trace", same->all.prefetched_used},
                    {"prefetched_wasted_of_store", log.prefetched_wasted},
                    {"prefetched_wasted_of_trace", same->all.prefetched_wasted}};
    }
    all["table"] = table;
    return all.dump(2) + "\n";
  }

  std::string picture_of(const std::vector<SweepLine>& lines) const {
    const bool speeds = lines.front().run.tokens_per_s.has_value();
    LineChart chart{.title = trace_,
                    .x = "memory for experts, share of all",
                    .y = speeds ? "tokens/s; dashed: predicted" : "kB loaded per token",
                    .lines = {}};
    const auto add = [&](const std::string& name, const std::string& policy, bool dashed, const auto& value) {
      auto points = curve_of(lines, policy, value);
      if (!points.empty()) chart.lines.push_back({name, std::move(points), dashed});
    };
    using Value = std::optional<double>;
    for (const std::string& policy : policies_) {
      if (!speeds) {
        add("with guesses, " + policy, policy, false,
            [](const SweepLine& line) { return Value(line.run.bytes_per_token / 1e3); });
        add("plain, " + policy, policy, false,
            [](const SweepLine& line) { return line.plain ? Value(line.plain->bytes_per_token / 1e3) : std::nullopt; });
        continue;
      }
      add("with guesses, " + policy, policy, true, [](const SweepLine& line) { return line.run.tokens_per_s; });
      add("plain, " + policy, policy, true,
          [](const SweepLine& line) { return line.plain ? line.plain->tokens_per_s : std::nullopt; });
      add("with guesses, " + policy, policy, false,
          [](const SweepLine& line) { return line.run.measured_tokens_per_s; });
      add("plain, " + policy, policy, false,
          [](const SweepLine& line) { return line.plain ? line.plain->measured_tokens_per_s : std::nullopt; });
    }
    return svg_of(chart);
  }

  std::string trace_;
  std::optional<std::string> plain_;
  std::vector<std::string> policies_{"lru", "lfu", "static", "belady"};
  std::vector<std::string> budgets_{"10%", "25%", "50%", "75%", "90%"};
  std::vector<std::string> probes_, measured_;
  std::optional<std::string> json_, svg_;
};

}  // namespace

Command command_experts() {
  return {"experts", "count what other policies and budgets would have loaded for a traced run", make_job<Experts>};
}

}  // namespace specdec

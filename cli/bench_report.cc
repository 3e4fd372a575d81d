#include "cli/bench_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "experiments/provenance.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

// The least time that reading the weights takes, as a share of the time of the pass.
double reading_share(const WidthCost& cost, const LimitFacts& machine) {
  return cost.bytes / machine.read_bytes_per_s / cost.s;
}

std::string in_the_way(const LimitReport& limit) {
  switch (limit.limit) {
    case Limit::cache:
    case Limit::memory:
      return fmt::format("bytes, from {} ({:.0f} %)", name_of(limit.limit), limit.reading_share * 100);
    case Limit::compute:
      return fmt::format("compute ({:.0f} %)", limit.compute_share * 100);
    case Limit::barriers:
      return fmt::format("barriers ({:.0f} %)", limit.barrier_share * 100);
    case Limit::loading:
      return fmt::format("loading experts ({:.0f} %)", limit.loading_share * 100);
    case Limit::loop:
      break;  // a pass alone has none
  }
  SPECDEC_ASSERT(false);
}

std::string machine_text(const BenchReport& report) {
  std::string text = "\nthis machine reads\n";
  const auto row = [&](int threads, std::string_view from, double rate) {
    text += fmt::format("  {:>3} {:<9}{:<36}{:>8.1f} GB/s\n", threads, threads == 1 ? "thread" : "threads", from,
                        rate / 1e9);
  };
  for (std::size_t i = 0; i < report.bench.memory_bytes_per_s.size(); ++i) {
    row(static_cast<int>(i) + 1, "from memory", report.bench.memory_bytes_per_s[i]);
  }
  const LimitFacts& facts = report.bench.machine;
  row(report.origin.threads, "from a buffer as large as the weights", facts.read_bytes_per_s);
  return text +
         fmt::format(
             "a barrier, where the threads wait for one another, takes {:.1f} µs with its part in starting them\n",
             facts.barrier_s * 1e6);
}

std::string widths_text(const BenchReport& report) {
  const ModelBench& bench = report.bench;
  const WidthCost& one = bench.widths.front();
  std::string text = fmt::format(
      "\na pass of w rows of {}, logits of all rows, after {} tokens (medians of {} passes, widths in turn)\n",
      report.rows, bench.context, bench.rounds);
  text += fmt::format("{:>4}{:>10}{:>11}{:>14}{:>14}{:>10}{:>9}{:>10}{:>12}{:>8}{:>10}  {}\n", "w", "ms", "T(w)/T(1)",
                      "MB(w)/MB(1)", "if one token", "MB read", "GB/s", "of limit", "experts", "starts", "barriers",
                      "in the way");
  for (const WidthCost& cost : bench.widths) {
    text += fmt::format(
        "{:>4}{:>10.3f}{:>11.2f}{:>14.2f}{:>14.2f}{:>10.2f}{:>9.1f}{:>8.0f} %{:>12.1f}{:>8}{:>10}  {}\n", cost.width,
        cost.s * 1e3, cost.s / one.s, cost.bytes / one.bytes, cost.one_token_s / one.one_token_s, cost.bytes / 1e6,
        cost.bytes / cost.s / 1e9, reading_share(cost, bench.machine) * 100, cost.woken, cost.starts, cost.barriers,
        in_the_way(cost.limit));
  }
  text += fmt::format(
      "  if one token: T(w)/T(1) when all rows are the same token and wake about the experts of one; of limit: the "
      "time\n"
      "  that reading the bytes takes at the rate above, as a share of ms; experts: distinct ones of a routed layer;\n"
      "  starts, barriers: how often the threads are started, and wait for one another\n");
  return text + fmt::format("decoding: {:.3f} ms/token, {:.0f} tokens/s\n", one.s * 1e3 / one.width, one.width / one.s);
}

std::string prefill_text(const BenchReport& report) {
  std::string text =
      fmt::format("\nreading a prompt of {} tokens\n{:>6}{:>12}\n", report.bench.prompt, "step", "tokens/s");
  for (const PrefillCost& cost : report.bench.prefill)
    text += fmt::format("{:>6}{:>12.0f}\n", cost.step, cost.tokens_per_s);
  return text;
}

std::string parts_text(const PartCosts& costs) {
  double pass_s = 0;
  for (const PartCosts::Part& part : costs.parts) pass_s += part.s;
  std::string text =
      fmt::format("\nwhere the time of a pass of {} goes (means)\n{:<12}{:>10}{:>8}{:>12}\n",
                  costs.width == 1 ? "one row" : fmt::format("{} rows", costs.width), "", "ms", "share", "barriers");
  for (const PartCosts::Part& part : costs.parts) {
    text += fmt::format("{:<12}{:>10.3f}{:>6.0f} %{:>12.0f}\n", part.name, part.s * 1e3, part.s / pass_s * 100,
                        part.barriers);
  }
  return text;
}

}  // namespace

std::string summary_of(const BenchReport& report) {
  const Origin& origin = report.origin;
  std::string text = head_of(origin.date, origin.machine, origin.threads, origin.instruction_set, report.target) +
                     machine_text(report) + widths_text(report) + prefill_text(report);
  for (const PartCosts& costs : report.bench.parts) text += parts_text(costs);
  return text;
}

std::string json_of(const BenchReport& report) {
  const ModelBench& bench = report.bench;
  Json widths = Json::array();
  for (const WidthCost& cost : bench.widths) {
    widths.push_back({{"rows", cost.width},
                      {"pass_s", cost.s},
                      {"one_token_pass_s", cost.one_token_s},
                      {"bytes", cost.bytes},
                      {"bytes_per_s", cost.bytes / cost.s},
                      {"share_of_limit", reading_share(cost, bench.machine)},
                      {"experts_per_layer", cost.woken},
                      {"starts", cost.starts},
                      {"barriers", cost.barriers},
                      {"reading_share", cost.limit.reading_share},
                      {"compute_share", cost.limit.compute_share},
                      {"barrier_share", cost.limit.barrier_share},
                      {"limit", name_of(cost.limit.limit)}});
  }
  Json prefill = Json::array();
  for (const PrefillCost& cost : bench.prefill) {
    prefill.push_back({{"step", cost.step}, {"tokens_per_s", cost.tokens_per_s}});
  }
  Json parts = Json::array();
  for (const PartCosts& costs : bench.parts) {
    Json of_width = Json::object();
    for (const PartCosts::Part& part : costs.parts) {
      of_width[std::string(part.name)] = {{"s", part.s}, {"barriers", part.barriers}};
    }
    parts.push_back({{"rows", costs.width}, {"pass_s", costs.s}, {"parts", of_width}});
  }
  Json model = Json::parse(json_of(*report.target.model));
  model["name"] = report.target.name;
  Json origin = Json::parse(json_of(report.origin, bench.machine));
  origin["model"] = model;
  const Json json{{"bench", origin},
                  {"rows", report.rows},
                  {"context_tokens", bench.context},
                  {"rounds", bench.rounds},
                  {"memory_bytes_per_s_by_threads", bench.memory_bytes_per_s},
                  {"passes", widths},
                  {"prompt_tokens", bench.prompt},
                  {"prefill", prefill},
                  {"parts_per_pass", parts}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace specdec

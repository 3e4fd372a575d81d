#include "experiments/expert_sweep.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/config.h"
#include "core/engine.h"
#include "core/error.h"
#include "experiments/median.h"

namespace specdec {
namespace {

std::pair<std::string, std::string> split(const std::string& policy) {
  const std::size_t colon = policy.find(':');
  return {policy.substr(0, colon), colon == policy.npos ? "" : policy.substr(colon + 1)};
}

std::vector<std::int64_t> traced(const ExpertLog& log, const ExpertPolicyKind& policy, const std::string& file) {
  if (policy.knows != ExpertPolicyKind::Knows::trace) return {};
  const std::vector<std::int64_t> uses = file.empty() ? log.uses() : read_expert_log(file).uses();
  if (static_cast<int>(uses.size()) != log.sizes.experts) {
    throw Error("{}: has {} experts, {} are expected; it is the trace of another model", file, uses.size(),
                log.sizes.experts);
  }
  return uses;
}

// No slots: all are packed before the first step.
SweepSide side_of(const ExpertLog& log, const std::string& policy, const ExpertRoom& room, const LoadTimes* loads) {
  const auto [name, file] = split(policy);
  const ExpertPolicyKind& kind = find_expert_policy(name);
  const int slots = room.slots > 0 ? room.slots : log.sizes.experts;
  ReplayCounts counts = replay(log, kind, slots, traced(log, kind, file));
  if (room.slots == 0) {
    counts.waits.clear();
    counts.steps.loads = counts.steps.prefetched_used = 0;
  }
  SweepSide side{.counts = counts.steps};
  const auto wanted = static_cast<double>(std::max<std::int64_t>(1, side.counts.wanted));
  const auto tokens = static_cast<double>(std::max<std::int64_t>(1, log.tokens));
  side.hit_rate = static_cast<double>(side.counts.hits()) / wanted;
  side.bytes_per_token = static_cast<double>(side.counts.loads * log.expert_bytes) / tokens;
  if (loads == nullptr) return side;
  side.tokens_per_s = tokens / std::max(log.steps_s + loads->seconds(counts.waits, room.load_buffers), 1e-9);
  return side;
}

}  // namespace

std::optional<double> SweepLine::speed_up() const {
  if (!plain || !run.tokens_per_s || !plain->tokens_per_s) return std::nullopt;
  return *run.tokens_per_s / *plain->tokens_per_s;
}

std::optional<double> SweepLine::measured_speed_up() const {
  if (!plain || !run.measured_tokens_per_s || !plain->measured_tokens_per_s) return std::nullopt;
  return *run.measured_tokens_per_s / *plain->measured_tokens_per_s;
}

SweepLogs read_sweep_logs(const std::string& trace, const std::optional<std::string>& plain) {
  SweepLogs logs{trace, plain.value_or(""), read_expert_log(trace), std::nullopt};
  if (!plain) return logs;
  logs.plain = read_expert_log(*plain);
  const auto same = [](const ExpertLog::Layer& a, const ExpertLog::Layer& b) {
    return a.layer == b.layer && a.experts == b.experts;
  };
  if (!std::ranges::equal(logs.run.layers, logs.plain->layers, same)) {
    throw Error("{}: has other experts than {}; expected plain decoding of the same model", *plain, trace);
  }
  return logs;
}

std::vector<SweepLine> sweep_experts(const SweepLogs& logs, std::span<const std::string> policies,
                                     std::span<const std::string> budgets, const LoadTimes* loads) {
  if (loads != nullptr) {
    for (const auto& [path, log] :
         {std::pair{logs.path, &logs.run}, {logs.plain_path, logs.plain ? &*logs.plain : &logs.run}}) {
      if (log->prefetch == name_of(ExpertPrefetch::none)) continue;
      throw UsageError("{}: experts were read ahead in this run; predictions need one without", path);
    }
  }
  std::vector<SweepLine> lines;
  for (const std::string& budget : budgets) {
    const Engine engine({.threads = 1, .expert_cache = budget});
    const std::int64_t bytes = engine.expert_budget(logs.run.sizes.all_bytes);
    const Prefetches prefetches = logs.run.prefetch == name_of(ExpertPrefetch::none) ? Prefetches::no : Prefetches::yes;
    const ExpertRoom room =
        packs_at_once(logs.run.sizes, bytes) ? ExpertRoom{} : room_for(logs.run.sizes, bytes, prefetches);
    for (const std::string& policy : policies) {
      SweepLine& line = lines.emplace_back();
      line.policy = policy;
      line.budget = budget;
      line.share =
          static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(1, logs.run.sizes.all_bytes));
      line.slots = room.slots > 0 ? room.slots : logs.run.sizes.experts;
      line.run = side_of(logs.run, policy, room, loads);
      if (logs.plain) line.plain = side_of(*logs.plain, policy, room, loads);
    }
  }
  return lines;
}

std::optional<ReplayCounts> replay_as_it_ran(const ExpertLog& log) {
  if (log.room.slots == 0) return std::nullopt;
  const auto [name, file] = split(log.policy);
  const ExpertPolicyKind& kind = find_expert_policy(name);
  return replay(log, kind, log.room.slots, traced(log, kind, file));
}

void add_measured(std::span<const std::filesystem::path> files, std::vector<SweepLine>& lines) {
  struct Rates {
    std::vector<double> run, plain;
  };
  std::map<std::pair<std::string, std::string>, Rates> found;  // by policy and budget
  for (const std::filesystem::path& path : files) {
    const ConfigReader file = ConfigReader::of_file(path);
    const std::optional<ConfigReader> run = file.object("run"), figures = file.object("figures");
    const std::optional<ConfigReader> options = run ? run->object("options") : std::nullopt;
    if (!options || !figures || !figures->has("tokens_per_s")) {
      throw Error("{}: 'run.options' or 'figures.tokens_per_s' is missing; expected what specdec run --json writes",
                  path.string());
    }
    const std::string policy = options->text("expert-policy", ""), budget = options->text("expert-cache", "");
    if (options->text("expert-prefetch", "") != name_of(ExpertPrefetch::none)) {
      throw Error("{}: experts were read ahead in this run; only runs without are predicted", path.string());
    }
    const bool any = std::ranges::any_of(
        lines, [&](const SweepLine& line) { return line.policy == policy && line.budget == budget; });
    if (!any) {
      throw Error("{}: ran with --expert-policy {} --expert-cache {}, which is none of the lines; name both here, too",
                  path.string(), policy, budget);
    }
    Rates& rates = found[{policy, budget}];
    rates.run.push_back(figures->number("tokens_per_s", 0));
    if (figures->has("plain_tokens_per_s")) rates.plain.push_back(figures->number("plain_tokens_per_s", 0));
  }
  for (SweepLine& line : lines) {
    const auto rates = found.find({line.policy, line.budget});
    if (rates == found.end()) continue;
    line.run.measured_tokens_per_s = median(rates->second.run);
    if (line.plain && !rates->second.plain.empty()) line.plain->measured_tokens_per_s = median(rates->second.plain);
  }
}

std::vector<double> crossings_of_one(std::span<const std::pair<double, double>> speed_ups) {
  std::vector<double> shares;
  for (std::size_t i = 1; i < speed_ups.size(); ++i) {
    const auto& [share, below] = speed_ups[i - 1];
    const auto& [next, above] = speed_ups[i];
    if ((below > 1) == (above > 1)) continue;
    shares.push_back(std::lerp(share, next, (1 - below) / (above - below)));
  }
  return shares;
}

}  // namespace specdec

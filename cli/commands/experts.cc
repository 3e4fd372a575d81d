// specdec experts: what other policies and budgets would have loaded for a run that was traced.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/expert_replay.h"
#include "core/files/output_file.h"
#include "experiments/load_times.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

struct Line {
  std::string policy, budget;
  int slots = 0;
  ExpertCounts counts;  // of the steps
  double hit_rate = 0, bytes_per_token = 0;
  std::optional<double> tokens_per_s{};  // predicted
};

class Experts : public Job {
 public:
  std::vector<Option> options() override {
    return {{"trace", &trace_, "what specdec run --trace wrote", Option::Presence::required},
            {"policy", &policies_,
             "lru, lfu, belady (the fewest that there can be), static: the hot set of this trace, or static:FILE"},
            {"budget", &budgets_, "memory for experts: shares such as 25%, sizes such as 2GiB"},
            {"probe", &probes_,
             "what specdec probe --json wrote of these experts on this machine: predicts tokens per second"},
            {"json", &json_, "write the table to this file"}};
  }

  int run() override {
    if (json_) check_writable(*json_);
    const ExpertLog log = read_expert_log(trace_);
    if (!probes_.empty()) {
      if (log.prefetch != name_of(ExpertPrefetch::none)) {
        throw UsageError(
            "{}: experts were read ahead in this run; what it takes otherwise is predicted from one without", trace_);
      }
      loads_ = read_load_times(std::vector<std::filesystem::path>(probes_.begin(), probes_.end()));
    }
    std::vector<Line> lines;
    for (const std::string& budget : budgets_) {
      for (const std::string& policy : policies_) lines.push_back(count(log, policy, budget));
    }
    fmt::print("{}: {} tokens, {} experts of {:.1f} kB in {} layers\n\n", trace_, log.tokens, log.sizes.experts,
               static_cast<double>(log.expert_bytes) / 1e3, log.layers.size());
    fmt::print("  {:<10}{:>8}   {:<12}{:>12}{:>12}{:>18}{}\n", "budget", "slots", "policy", "loads", "hit rate",
               "kB per token", loads_ ? "  predicted tokens/s" : "");
    for (const Line& line : lines) {
      fmt::print("  {:<10}{:>8}   {:<12}{:>12}{:>10.1f} %{:>18.1f}{}\n", line.budget, line.slots, line.policy,
                 line.counts.loads, 100 * line.hit_rate, line.bytes_per_token / 1e3,
                 line.tokens_per_s ? fmt::format("{:>20.2f}", *line.tokens_per_s) : "");
    }
    fmt::print("\nLoads are those of the steps; the prompt before them fills the memory.\n");
    const std::optional<ReplayCounts> same = as_it_ran(log);
    if (same) {
      fmt::print("The run itself: {} loads by its store with {} slots and {}, {} counted from the trace.\n", log.loads,
                 log.room.slots, log.policy, same->all.loads);
    }
    if (json_) write_file(*json_, json_of(log, lines, same));
    if (same && same->all.loads != log.loads) {
      throw Error("{}: the store counted {} loads, the trace gives {}: this is a bug of specdec", trace_, log.loads,
                  same->all.loads);
    }
    return 0;
  }

 private:
  static std::pair<std::string, std::string> split(const std::string& policy) {
    const std::size_t colon = policy.find(':');
    return {policy.substr(0, colon), colon == policy.npos ? "" : policy.substr(colon + 1)};
  }

  static std::vector<std::int64_t> traced(const ExpertLog& log, const ExpertPolicyKind& policy,
                                          const std::string& file) {
    if (policy.knows != ExpertPolicyKind::Knows::trace) return {};
    const std::vector<std::int64_t> uses = file.empty() ? log.uses() : read_expert_log(file).uses();
    if (static_cast<int>(uses.size()) != log.sizes.experts) {
      throw Error("{}: has {} experts, {} are expected; it is the trace of another model", file, uses.size(),
                  log.sizes.experts);
    }
    return uses;
  }

  Line count(const ExpertLog& log, const std::string& policy, const std::string& budget) const {
    const auto [name, file] = split(policy);
    const ExpertPolicyKind& kind = find_expert_policy(name);
    const Engine engine({.threads = 1, .expert_cache = budget});
    const std::int64_t bytes = engine.expert_budget(log.sizes.all_bytes);
    const Prefetches prefetches = log.prefetch == name_of(ExpertPrefetch::none) ? Prefetches::no : Prefetches::yes;
    const ExpertRoom room = room_for(log.sizes, bytes, prefetches);
    Line line{policy, budget, room.slots, {}};
    const ReplayCounts counts = replay(log, kind, line.slots, traced(log, kind, file));
    line.counts = counts.steps;
    // All at once, if memory holds them all.
    const bool resident = line.slots >= log.sizes.experts;
    if (loads_) {
      const double waiting_s = resident ? 0 : loads_->seconds(counts.waits, room.load_buffers);
      line.tokens_per_s = static_cast<double>(log.tokens) / std::max(log.steps_s + waiting_s, 1e-9);
    }
    const auto wanted = static_cast<double>(std::max<std::int64_t>(1, line.counts.wanted));
    line.hit_rate = static_cast<double>(line.counts.hits()) / wanted;
    line.bytes_per_token = static_cast<double>(line.counts.loads * log.expert_bytes) /
                           static_cast<double>(std::max<std::int64_t>(1, log.tokens));
    return line;
  }

  // Nothing if all experts were packed at once.
  static std::optional<ReplayCounts> as_it_ran(const ExpertLog& log) {
    if (log.room.slots == 0) return std::nullopt;
    const auto [name, file] = split(log.policy);
    const ExpertPolicyKind& kind = find_expert_policy(name);
    return replay(log, kind, log.room.slots, traced(log, kind, file));
  }

  static std::string json_of(const ExpertLog& log, const std::vector<Line>& lines,
                             const std::optional<ReplayCounts>& same) {
    Json table = Json::array();
    for (const Line& line : lines) {
      table.push_back({{"budget", line.budget},
                       {"slots", line.slots},
                       {"policy", line.policy},
                       {"wanted", line.counts.wanted},
                       {"loads", line.counts.loads},
                       {"hit_rate", line.hit_rate},
                       {"bytes_per_token", line.bytes_per_token}});
      if (line.tokens_per_s) table.back()["predicted_tokens_per_s"] = *line.tokens_per_s;
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

  std::string trace_;
  std::vector<std::string> policies_{"lru", "lfu", "static", "belady"};
  std::vector<std::string> budgets_{"10%", "25%", "50%", "75%", "90%"};
  std::vector<std::string> probes_;
  std::optional<LoadTimes> loads_;
  std::optional<std::string> json_;
};

}  // namespace

Command command_experts() {
  return {"experts", "count what other policies and budgets would have loaded for a traced run", make_job<Experts>};
}

}  // namespace specdec

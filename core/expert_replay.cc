#include "core/expert_replay.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/expert_stage.h"

namespace specdec {
namespace {

using Times = std::vector<std::vector<std::int64_t>>;

// For each event, when each of its experts is wanted again: the number of that event.
Times next_uses(const ExpertLog& log) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> next(static_cast<std::size_t>(log.sizes.experts), kNever);
  Times times(log.events.size());
  for (std::size_t i = log.events.size(); i-- > 0;) {
    const ExpertEvent& event = log.events[i];
    if (event.what != ExpertEvent::What::wanted) continue;
    for (const int expert : event.experts) {
      std::int64_t& of = next[static_cast<std::size_t>(log.number_of(event.layer, expert))];
      times[i].push_back(of);
      of = static_cast<std::int64_t>(i);
    }
  }
  return times;
}

}  // namespace

ReplayCounts replay(const ExpertLog& log, const ExpertPolicyKind& policy, int slots,
                    std::span<const std::int64_t> traced) {
  const Times next = policy.knows == ExpertPolicyKind::Knows::future ? next_uses(log) : Times(log.events.size());
  ExpertCache cache(policy, log.sizes.experts, slots, traced);
  ExpertStage stage(slots == log.room.slots ? log.room.prefetch_buffers : 0);
  ExpertCounts counts, prompt;
  std::vector<int> experts;
  std::vector<std::int64_t> waits;
  for (std::size_t i = 0; i < log.events.size(); ++i) {
    if (i == log.prompt_events) prompt = counts;
    const ExpertEvent& event = log.events[i];
    experts.clear();
    for (const int expert : event.experts) experts.push_back(log.number_of(event.layer, expert));
    if (event.what == ExpertEvent::What::prefetched) {
      for (const int expert : experts) {
        const std::optional<ExpertStage::Place> place = stage.add(expert, event.layer);
        if (place && place->dropped >= 0) ++counts.prefetched_wasted;
      }
      continue;
    }
    counts.wanted += static_cast<std::int64_t>(experts.size());
    std::size_t waited = 0;
    for (const ExpertCache::Load& load : cache.bring(experts, next[i])) {
      ++counts.loads;
      if (stage.take(load.expert)) {
        ++counts.prefetched_used;
      } else {
        ++waited;
      }
    }
    if (i >= log.prompt_events) {
      if (waits.size() <= waited) waits.resize(waited + 1);
      ++waits[waited];
    }
    stage.layer_passed(event.layer);
  }
  if (log.prompt_events >= log.events.size()) prompt = counts;
  const ExpertCounts steps{counts.wanted - prompt.wanted, counts.loads - prompt.loads,
                           counts.prefetched_used - prompt.prefetched_used,
                           counts.prefetched_wasted - prompt.prefetched_wasted};
  return {counts, steps, waits};
}

}  // namespace specdec

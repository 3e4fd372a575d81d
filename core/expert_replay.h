// Counts what a store would have loaded for what a trace says was wanted, with another policy or budget.
//   const ExpertCounts counts = replay(read_expert_log("run.jsonl"), find_expert_policy("belady"), slots);
#pragma once

#include <cstdint>
#include <vector>

#include "core/expert_cache.h"
#include "core/expert_log.h"

namespace specdec {

struct ExpertCounts {
  std::int64_t wanted = 0, loads = 0;
  std::int64_t prefetched_used = 0, prefetched_wasted = 0;
  std::int64_t hits() const { return wanted - loads; }
};

struct ReplayCounts {
  ExpertCounts all;    // with the prompt
  ExpertCounts steps;  // without it
  // [n]: how often n loads were waited for at once, in the steps: those of a layer of a pass that nobody read ahead.
  std::vector<std::int64_t> waits;
};

// The slots hold at least what any event wants at once. traced: for a policy that knows a trace. Events of prefetching
// are followed, into as many buffers as the log's store had, if it had as many slots.
ReplayCounts replay(const ExpertLog& log, const ExpertPolicyKind& policy, int slots,
                    std::span<const std::int64_t> traced = {});

}  // namespace specdec

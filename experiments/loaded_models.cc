#include "experiments/loaded_models.h"

#include <algorithm>
#include <utility>

#include "core/memory.h"
#include "experiments/provenance.h"

namespace specdec {
namespace {

// Read in some milliseconds: beyond the last-level cache of most machines.
constexpr std::int64_t kProbedBytes = 64 << 20;
constexpr double kProbeHolds_s = 10;

constexpr int kKeptShare = 4;  // of memory, for what is kept while another is loaded

}  // namespace

std::int64_t memory_for_experts(std::size_t models) {
  const std::int64_t kept = models > 1 ? this_machine().memory_bytes / kKeptShare : 0;
  return std::max<std::int64_t>(1, memory_for_weights() - kept);
}

std::int64_t LoadedModels::Entry::bytes() const {
  std::int64_t sum = target.model->bytes().total;
  for (const auto& [name, drafter] : drafters) sum += drafter.model != nullptr ? drafter.model->bytes().total : 0;
  return sum;
}

// How large the other is, is not known yet.
void LoadedModels::make_room() {
  std::int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.bytes();
  while (!entries_.empty() && machine_.memory_bytes > 0 && sum > machine_.memory_bytes / kKeptShare) {
    sum -= entries_.back().bytes();
    entries_.pop_back();
  }
}

LoadedModels::Entry& LoadedModels::entry_of(const Arm& arm) {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.target.name == arm.target && entry.engine->options() == arm.engine;
  });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front();
  }
  make_room();
  auto engine = std::make_unique<Engine>(arm.engine);
  LoadedTarget target = load_target(arm.target, *engine);
  auto memory = std::make_unique<ReadMeter>(engine->pool(), kProbedBytes);
  return entries_.emplace_front(Entry{std::move(engine), std::move(target), {}, std::move(memory), {}, {}});
}

LoadedArm LoadedModels::of(Arm arm) {
  if (arm.engine.expert_cache == "auto") arm.engine.memory_bytes = memory_bytes_;
  Entry& entry = entry_of(arm);
  auto drafter = entry.drafters.find(arm.draft);
  const bool is_new = drafter == entry.drafters.end();
  if (is_new) {
    LoadedDrafter loaded = arm.drafts() ? load_drafter(arm.draft, {}, entry.target, *entry.engine) : no_drafter();
    drafter = entry.drafters.emplace(arm.draft, std::move(loaded)).first;
  }
  if (entry.probe.date.empty() || seconds_since(entry.probed) > kProbeHolds_s) {
    entry.probe = {.read_bytes_per_s = entry.memory->bytes_per_s(), .date = utc_now()};
    entry.probed = std::chrono::steady_clock::now();
  }
  return {*entry.engine, entry.target, drafter->second, entry.probe, is_new};
}

}  // namespace specdec

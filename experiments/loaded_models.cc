#include "experiments/loaded_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace specdec {
namespace {

std::string key_of(const Arm& arm) {
  const EngineOptions& engine = arm.engine;
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", arm.target, engine.threads, engine.compute, engine.cpu,
                     engine.expert_cache, engine.expert_policy, engine.expert_prefetch, engine.expert_reads,
                     engine.cache);
}

// Read before every trial, in some milliseconds: beyond the last-level cache of most machines.
constexpr std::int64_t kProbedBytes = 64 << 20;

}  // namespace

std::int64_t LoadedModels::Entry::bytes() const {
  std::int64_t sum = target.model->bytes().total;
  for (const auto& [name, drafter] : drafters) sum += drafter.model != nullptr ? drafter.model->bytes().total : 0;
  return sum;
}

// What is kept while another is loaded takes a quarter of the memory at most: how large that is, is not known yet.
void LoadedModels::make_room() {
  std::int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.bytes();
  while (!entries_.empty() && machine_.memory_bytes > 0 && sum > machine_.memory_bytes / 4) {
    sum -= entries_.back().bytes();
    entries_.pop_back();
  }
}

LoadedModels::Entry& LoadedModels::entry_of(const Arm& arm) {
  const std::string key = key_of(arm);
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front();
  }
  make_room();
  auto engine = std::make_unique<Engine>(arm.engine);
  LoadedTarget target = load_target(arm.target, *engine);
  auto memory = std::make_unique<ReadMeter>(engine->pool(), kProbedBytes);
  return entries_.emplace_front(Entry{key, std::move(engine), std::move(target), {}, std::move(memory)});
}

LoadedArm LoadedModels::of(const Arm& arm) {
  Entry& entry = entry_of(arm);
  auto drafter = entry.drafters.find(arm.draft);
  const bool is_new = drafter == entry.drafters.end();
  if (is_new) {
    LoadedDrafter loaded = arm.drafts() ? load_drafter(arm.draft, {}, entry.target, *entry.engine) : no_drafter();
    drafter = entry.drafters.emplace(arm.draft, std::move(loaded)).first;
  }
  return {*entry.engine, entry.target, drafter->second, entry.memory->bytes_per_s(), is_new};
}

}  // namespace specdec

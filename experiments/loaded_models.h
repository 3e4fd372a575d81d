// Models of an experiment, kept in memory from trial to trial as long as they do not crowd it.
//   LoadedModels models(memory_for_experts(1));
//   const LoadedArm loaded = models.of(arm);
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "experiments/arm.h"
#include "experiments/machine.h"
#include "experiments/trial.h"

namespace specdec {

struct MemoryProbe {
  double read_bytes_per_s = 0;  // by the engine's threads
  std::string date;             // UTC
};

// Valid until the next call of LoadedModels::of.
struct LoadedArm {
  Engine& engine;
  const LoadedTarget& target;
  const LoadedDrafter& drafter;
  const MemoryProbe& probe;  // of the last seconds
  bool is_new;               // nothing of it has run yet
};

// What the machine has left for the experts of a model. If several are loaded in turn, others may be kept meanwhile,
// and their share is not there to be had.
std::int64_t memory_for_experts(std::size_t models);

class LoadedModels {
 public:
  // memory_bytes: of EngineOptions, for arms whose expert_cache is "auto".
  explicit LoadedModels(std::int64_t memory_bytes) : memory_bytes_(memory_bytes) {}
  LoadedArm of(Arm arm);

 private:
  struct Entry {
    std::unique_ptr<Engine> engine;
    LoadedTarget target;
    std::map<std::string, LoadedDrafter> drafters;  // by what was asked for
    std::unique_ptr<ReadMeter> memory;
    MemoryProbe probe;
    std::chrono::steady_clock::time_point probed;

    std::int64_t bytes() const;
  };
  Entry& entry_of(const Arm& arm);
  void make_room();

  std::int64_t memory_bytes_;
  Machine machine_ = this_machine();
  std::list<Entry> entries_;  // the one used last is the first
};

}  // namespace specdec

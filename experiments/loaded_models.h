// Models of an experiment, kept in memory from trial to trial as long as they do not crowd it.
//   LoadedModels models;
//   const LoadedArm loaded = models.of(arm);
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "experiments/arm.h"
#include "experiments/machine.h"
#include "experiments/trial.h"

namespace specdec {

// Valid until the next call of LoadedModels::of.
struct LoadedArm {
  Engine& engine;
  const LoadedTarget& target;
  const LoadedDrafter& drafter;
  double read_bytes_per_s;  // of memory, measured when it was asked for
  bool is_new;              // nothing of it has run yet
};

class LoadedModels {
 public:
  LoadedArm of(const Arm& arm);

 private:
  struct Entry {
    std::string key;
    std::unique_ptr<Engine> engine;
    LoadedTarget target;
    std::map<std::string, LoadedDrafter> drafters;  // by what was asked for
    std::unique_ptr<ReadMeter> memory;

    std::int64_t bytes() const;
  };
  Entry& entry_of(const Arm& arm);
  void make_room();

  Machine machine_ = this_machine();
  std::list<Entry> entries_;  // the one used last is the first
};

}  // namespace specdec

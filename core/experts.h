// The routed experts of a model, packed: all at once if that takes seconds, else each when a pass first wants it. If
// memory does not hold all of them, they take the place of those that were used the longest ago. Never changes a
// result.
//   ExpertStore store(file, engine);
//   const int first = store.add(parts_of_first_expert);   // … and of all others
//   store.settle();
//   store.bring(experts of a layer that a pass uses);      // their panels are there until the next call
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/engine.h"
#include "core/panel_store.h"
#include "core/weights.h"

namespace specdec {

// What the store did since it was made.
struct ExpertTraffic {
  std::int64_t loads = 0;         // experts packed because a pass wanted them
  std::int64_t loaded_bytes = 0;  // of them as stored
  double stall_s = 0;             // that passes waited for them

  ExpertTraffic operator-(const ExpertTraffic& earlier) const {
    return {loads - earlier.loads, loaded_bytes - earlier.loaded_bytes, stall_s - earlier.stall_s};
  }
};

class ExpertStore {
 public:
  // The weights' file and the engine outlive the store.
  ExpertStore(const WeightFile& file, const Engine& engine);
  ~ExpertStore();
  ExpertStore(const ExpertStore&) = delete;
  ExpertStore& operator=(const ExpertStore&) = delete;

  // Weights that are stored and not packed, to be packed and dropped together: the store sets their panels. They stay
  // where they are as long as the store. Returns the number of the expert: 0, 1, …
  int add(std::span<Weight* const> parts);
  // All have been added; at most `most_at_once` of them will be wanted together. The budget of memory is
  // EngineOptions::expert_cache, but at least for those.
  void settle(int most_at_once);

  bool all_packed() const { return slots_.empty(); }               // from the beginning
  std::int64_t resident_bytes() const { return resident_bytes_; }  // of memory for experts, at most
  std::int64_t all_bytes() const { return all_bytes_; }            // that all would take
  const ExpertTraffic& traffic() const { return traffic_; }

  // At most so many as settle was told, none twice. Not for two passes at the same time.
  void bring(std::span<const int> experts);

 private:
  struct Expert {
    std::vector<Weight*> parts;
    std::int64_t bytes = 0;  // of all panels
    int slot = -1;           // where it is, if there are slots
  };
  struct Slot {
    std::byte* memory = nullptr;
    int expert = -1;
    std::int64_t last_use = 0;
  };

  void pack_all(int at_once);
  void pack(std::span<const int> experts, std::span<std::byte* const> memory);
  Slot& emptied_slot();

  const WeightFile& file_;
  const Engine& engine_;
  PanelStore memory_;
  std::vector<Expert> experts_;
  std::vector<Slot> slots_;  // empty: all experts were packed at once
  std::int64_t all_bytes_ = 0, resident_bytes_ = 0, promised_bytes_ = 0;
  std::int64_t now_ = 0;  // calls of bring
  ExpertTraffic traffic_;
};

}  // namespace specdec

// What `specdec run --trace` wrote of experts: what was wanted in which order, and what the store had to load.
//   const ExpertLog log = read_expert_log("run.jsonl");
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/expert_event.h"
#include "core/expert_room.h"

namespace specdec {

struct ExpertLog {
  struct Layer {
    int layer, experts;
  };
  std::vector<Layer> layers;  // with routed experts, in the order of their numbers in the store
  ExpertSizes sizes;
  std::int64_t expert_bytes = 0;  // of the largest as stored
  // Of the store that wrote it.
  ExpertRoom room;  // no slots: all were packed at once
  std::string policy, prefetch;
  // Counted by that store, the prompt included.
  std::int64_t loads = 0, prefetched_used = 0, prefetched_wasted = 0;
  std::string target_hash, drafter;  // what ran: the model, and the kind of drafter; empty in a trace that does not say
  std::int64_t tokens = 0;           // generated
  double steps_s = 0;                // that the steps took, without waiting for loads
  std::vector<ExpertEvent> events;   // of the prompt and of every step
  std::size_t prompt_events = 0;     // how many of them are the prompt's

  // Number of an expert among all: layers one after the other.
  int number_of(int layer, int expert) const;
  // Uses of each expert by that number.
  std::vector<std::int64_t> uses() const;
};

// Throws Error if it is no such trace or its numbers do not fit together.
ExpertLog read_expert_log(const std::filesystem::path& path);

// The same as one JSON object of one line, without events: how a trace says it.
std::string expert_log_head(const ExpertLog& log);
// [["wanted", layer, [experts]], …]
std::string json_of(const std::vector<ExpertEvent>& events);

}  // namespace specdec

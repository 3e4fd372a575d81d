// The routed experts of a model, packed: all at once if that takes seconds, else each when a pass first wants it, read
// from disk past the page cache. If memory does not hold all of them, a policy says which make room. Never changes a
// result.
//   ExpertStore store(file, engine);
//   const int first = store.add(layer, parts_of_first_expert);   // … and of all others
//   store.settle(experts_of_a_layer);
//   store.bring(experts of a layer that a pass uses);             // their panels are there until the next call
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "core/expert_cache.h"
#include "core/expert_log.h"
#include "core/expert_reader.h"
#include "core/expert_room.h"
#include "core/expert_stage.h"
#include "core/panel_store.h"
#include "core/weights.h"

namespace specdec {

// What the store did.
struct ExpertTraffic {
  std::int64_t wanted = 0;             // experts, each once for every layer of a pass that uses it
  std::int64_t loads = 0;              // of them not in memory, so packed
  std::int64_t loaded_bytes = 0;       // of loads, as stored
  std::int64_t read_bytes = 0;         // from disk, for loads and ahead of them: in whole blocks
  double stall_s = 0;                  // that passes waited for loads, packing included
  double pack_s = 0;                   // the part of it that is packing
  std::int64_t prefetched = 0;         // experts read before a pass wanted them
  std::int64_t prefetched_used = 0;    // of them wanted then: loads, too
  std::int64_t prefetched_wasted = 0;  // of them dropped for others without use
  std::int64_t overlapped_bytes = 0;   // read for prefetched_used, and all there before the pass wanted them

  std::int64_t hits() const { return wanted - loads; }
  ExpertTraffic& operator+=(const ExpertTraffic& other);
  ExpertTraffic operator-(const ExpertTraffic& earlier) const;
};

struct LayerTraffic {
  int layer = 0;
  ExpertTraffic traffic;
};

class ExpertStore {
 public:
  // The weights' file and the engine outlive the store.
  ExpertStore(const WeightFile& file, const Engine& engine);
  ~ExpertStore();
  ExpertStore(const ExpertStore&) = delete;
  ExpertStore& operator=(const ExpertStore&) = delete;

  // Weights that are stored and not packed, to be packed and dropped together: the store sets their panels. They stay
  // where they are as long as the store. Experts of one layer follow one another. Returns the number of the expert: 0,
  // 1, …
  int add(int layer, std::span<Weight* const> parts);
  // All have been added; at most `most_at_once` of them will be wanted together. The budget of memory is
  // EngineOptions::expert_cache, but at least for those.
  void settle(int most_at_once);

  bool all_packed() const { return cache_ == nullptr; }            // from the beginning
  std::int64_t resident_bytes() const { return resident_bytes_; }  // of memory for experts, at most
  std::int64_t buffer_bytes() const;                               // of memory that they are read into
  std::int64_t all_bytes() const { return sizes_.all_bytes; }      // that all would take
  const ExpertSizes& sizes() const { return sizes_; }
  const ExpertRoom& room() const { return room_; }
  int experts_of(int layer) const;          // how many were added
  std::vector<int> layers() const;          // that have any
  bool holds(int layer, int expert) const;  // in memory, packed
  std::string_view reads() const;           // how: "io_uring", past the page cache, …

  ExpertTraffic traffic() const;  // since it was made
  std::span<const LayerTraffic> traffic_by_layer() const { return traffic_; }

  // At most so many as settle was told, of one layer, none twice. Not for two passes at the same time. Throws Error if
  // the disk fails or the file was cut or changed; no expert is in memory then.
  void bring(std::span<const int> experts);
  // A pass may soon want these: they are read while nobody waits, as far as there are buffers, the first layers first.
  // By their numbers in the layer.
  void prefetch(int layer, std::span<const int> experts);
  bool prefetches() const { return room_.prefetch_buffers > 0; }
  bool follows_drafts() const { return prefetches() && engine_.expert_prefetch() == ExpertPrefetch::draft; }
  bool looks_ahead() const { return prefetches() && engine_.expert_prefetch() == ExpertPrefetch::next_layer; }
  // Drops all experts that are in memory, unless all were packed at once: what comes then depends on nothing before.
  void forget();

  // What a trace says of it, without what it counted and without events.
  ExpertLog described() const;
  // From here on what is wanted and read ahead is recorded, or no longer.
  void record_events(bool records) { records_ = records; }
  std::vector<ExpertEvent> take_events() { return std::exchange(events_, {}); }  // those since the last call

 private:
  struct Expert {
    std::vector<Weight*> parts;
    std::int64_t bytes = 0;  // of all panels
    std::size_t layer = 0;   // among layers_
  };
  struct Layer {
    int layer, first, count;
  };
  using Load = ExpertCache::Load;

  void pack_all(int at_once);
  void pack(std::span<const int> experts, std::span<std::byte* const> memory);
  void load(std::span<const Load> loads, ExpertTraffic& traffic);
  void pack_from_buffers(std::span<const Load> loads, std::span<const int> buffers);
  void read_ahead();
  void drop_panels(int expert);
  std::vector<std::int64_t> traced_uses() const;
  ExpertTraffic& traffic_of(int expert) { return traffic_[expert_at(expert).layer].traffic; }
  Expert& expert_at(int expert) { return experts_[static_cast<std::size_t>(expert)]; }
  const Layer* layer_at(int layer) const;

  const WeightFile& file_;
  const Engine& engine_;
  PanelStore memory_;
  std::vector<Expert> experts_;
  std::vector<Layer> layers_;
  ExpertSizes sizes_;
  ExpertRoom room_;
  // Null while all experts were packed at once.
  std::unique_ptr<ExpertReader> reader_;
  std::unique_ptr<ExpertCache> cache_;
  std::unique_ptr<ExpertStage> stage_;
  std::vector<std::byte*> slots_;
  std::set<int> wishes_;  // what prefetch was asked for and had no buffer for yet, the first layers first
  std::int64_t resident_bytes_ = 0, promised_bytes_ = 0;
  std::vector<LayerTraffic> traffic_;
  bool records_ = false;
  std::vector<ExpertEvent> events_;
};

}  // namespace specdec

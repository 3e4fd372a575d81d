#include "core/experts.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// On the way out of a load that failed, nothing half-loaded may pass for an expert.
class ForgetUnlessDone {
 public:
  explicit ForgetUnlessDone(ExpertStore& store) : store_(&store) {}
  ~ForgetUnlessDone() {
    if (store_ != nullptr) store_->forget();
  }
  ForgetUnlessDone(const ForgetUnlessDone&) = delete;
  ForgetUnlessDone& operator=(const ForgetUnlessDone&) = delete;
  void done() { store_ = nullptr; }

 private:
  ExpertStore* store_;
};

}  // namespace

ExpertTraffic& ExpertTraffic::operator+=(const ExpertTraffic& other) {
  wanted += other.wanted;
  loads += other.loads;
  loaded_bytes += other.loaded_bytes;
  read_bytes += other.read_bytes;
  stall_s += other.stall_s;
  pack_s += other.pack_s;
  prefetched += other.prefetched;
  prefetched_used += other.prefetched_used;
  prefetched_wasted += other.prefetched_wasted;
  overlapped_bytes += other.overlapped_bytes;
  return *this;
}

ExpertTraffic ExpertTraffic::operator-(const ExpertTraffic& earlier) const {
  return {wanted - earlier.wanted,
          loads - earlier.loads,
          loaded_bytes - earlier.loaded_bytes,
          read_bytes - earlier.read_bytes,
          stall_s - earlier.stall_s,
          pack_s - earlier.pack_s,
          prefetched - earlier.prefetched,
          prefetched_used - earlier.prefetched_used,
          prefetched_wasted - earlier.prefetched_wasted,
          overlapped_bytes - earlier.overlapped_bytes};
}

ExpertStore::ExpertStore(const WeightFile& file, const Engine& engine) : file_(file), engine_(engine) {}

ExpertStore::~ExpertStore() { engine_.promise_memory(-promised_bytes_); }

int ExpertStore::add(int layer, std::span<Weight* const> parts) {
  const int number = static_cast<int>(experts_.size());
  if (layers_.empty() || layers_.back().layer != layer) {
    SPECDEC_ASSERT(layer_at(layer) == nullptr);
    layers_.push_back({layer, number, 0});
    traffic_.push_back({layer, {}});
  }
  ++layers_.back().count;
  Expert expert{.parts = {parts.begin(), parts.end()}, .layer = layers_.size() - 1};
  for (Weight* part : parts) {
    lay_out(*part);
    expert.bytes += packed_bytes(*part);
  }
  sizes_.all_bytes += expert.bytes;
  sizes_.slot_bytes = std::max(sizes_.slot_bytes, expert.bytes);
  experts_.push_back(std::move(expert));
  return number;
}

void ExpertStore::settle(int most_at_once) {
  if (experts_.empty()) return;
  sizes_.experts = static_cast<int>(experts_.size());
  sizes_.most_at_once = most_at_once;
  const std::int64_t budget = engine_.expert_budget(sizes_.all_bytes);
  if (packs_at_once(sizes_, budget)) return pack_all(most_at_once);
  reader_ = std::make_unique<ExpertReader>(file_, make_read_queue(engine_.options().expert_reads));
  for (const Expert& expert : experts_) reader_->add(expert.parts);
  sizes_.buffer_bytes = reader_->buffer_bytes();
  room_ =
      room_for(sizes_, budget, engine_.expert_prefetch() == ExpertPrefetch::none ? Prefetches::no : Prefetches::yes);
  cache_ = std::make_unique<ExpertCache>(engine_.expert_policy(), sizes_.experts, room_.slots, traced_uses());
  stage_ = std::make_unique<ExpertStage>(room_.prefetch_buffers);
  reader_->make_buffers(room_.load_buffers + room_.prefetch_buffers);
  for (int slot = 0; slot < room_.slots; ++slot) slots_.push_back(memory_.allocate(sizes_.slot_bytes));
  resident_bytes_ = room_.slots * sizes_.slot_bytes;
  promised_bytes_ = resident_bytes_ + buffer_bytes();
  engine_.promise_memory(promised_bytes_);
}

std::vector<std::int64_t> ExpertStore::traced_uses() const {
  const std::string& path = engine_.expert_trace();
  if (path.empty()) return {};
  const ExpertLog log = read_expert_log(path);
  const bool same = std::ranges::equal(log.layers, layers_, [](const ExpertLog::Layer& theirs, const Layer& ours) {
    return theirs.layer == ours.layer && theirs.experts == ours.count;
  });
  if (!same) {
    throw Error("{}: is the trace of a model with {} experts in {} layers, this one has {} in {}; trace a run of it",
                path, log.sizes.experts, log.layers.size(), sizes_.experts, layers_.size());
  }
  return log.uses();
}

std::int64_t ExpertStore::buffer_bytes() const {
  return (room_.load_buffers + room_.prefetch_buffers) * sizes_.buffer_bytes;
}

const ExpertStore::Layer* ExpertStore::layer_at(int layer) const {
  const auto found = std::ranges::find(layers_, layer, &Layer::layer);
  return found != layers_.end() ? &*found : nullptr;
}

bool ExpertStore::holds(int layer, int expert) const {
  const Layer* found = layer_at(layer);
  SPECDEC_ASSERT(found != nullptr && expert >= 0 && expert < found->count);
  return cache_ == nullptr || cache_->holds(found->first + expert);
}

int ExpertStore::experts_of(int layer) const {
  const Layer* found = layer_at(layer);
  return found != nullptr ? found->count : 0;
}

std::vector<int> ExpertStore::layers() const {
  std::vector<int> layers;
  for (const Layer& layer : layers_) layers.push_back(layer.layer);
  return layers;
}

std::string_view ExpertStore::reads() const {
  if (all_packed()) return "all packed at once";
  if (!reader_->direct()) return "through the page cache, and dropped from it: this file system has no direct reads";
  return reader_->queue() == "io_uring" ? "past the page cache, by io_uring" : "past the page cache, by threads";
}

ExpertTraffic ExpertStore::traffic() const {
  ExpertTraffic all;
  for (const LayerTraffic& layer : traffic_) all += layer.traffic;
  return all;
}

void ExpertStore::pack_all(int at_once) {
  resident_bytes_ = sizes_.all_bytes;
  // A layer's worth at a time: what was read for packing is given back in between.
  for (std::size_t first = 0; first < experts_.size(); first += static_cast<std::size_t>(at_once)) {
    std::vector<int> some;
    std::vector<std::byte*> memory;
    const std::size_t end = std::min(experts_.size(), first + static_cast<std::size_t>(at_once));
    for (std::size_t i = first; i < end; ++i) {
      some.push_back(static_cast<int>(i));
      memory.push_back(memory_.allocate(experts_[i].bytes));
    }
    pack(some, memory);
  }
}

void ExpertStore::pack(std::span<const int> experts, std::span<std::byte* const> memory) {
  std::vector<PackJob> jobs;
  for (std::size_t i = 0; i < experts.size(); ++i) {
    std::byte* to = memory[i];
    for (const Weight* part : expert_at(experts[i]).parts) {
      file_.fetch(*part);
      jobs.push_back({part, to});
      to += packed_bytes(*part);
    }
  }
  pack_panels(jobs, &engine_.pool());
  std::size_t job = 0;
  for (const int expert : experts) {
    for (Weight* part : expert_at(expert).parts) {
      file_.release(*part);
      part->panels.data = jobs[job++].to;
    }
  }
}

void ExpertStore::bring(std::span<const int> wanted) {
  if (wanted.empty()) return;
  const Layer& layer = layers_[expert_at(wanted.front()).layer];
  ExpertTraffic& traffic = traffic_of(wanted.front());
  traffic.wanted += static_cast<std::int64_t>(wanted.size());
  if (records_) {
    ExpertEvent& event = events_.emplace_back(ExpertEvent{ExpertEvent::What::wanted, layer.layer, {}});
    for (const int expert : wanted) event.experts.push_back(expert - layer.first);
  }
  if (all_packed()) return;
  ForgetUnlessDone guard(*this);
  if (const std::span<const Load> loads = cache_->bring(wanted); !loads.empty()) load(loads, traffic);
  stage_->layer_passed(layer.layer);
  wishes_.erase(wishes_.lower_bound(layer.first), wishes_.lower_bound(layer.first + layer.count));
  read_ahead();
  guard.done();
}

// What was read ahead first, then what is read now; each is packed when it is there, while the others are read.
void ExpertStore::load(std::span<const Load> loads, ExpertTraffic& traffic) {
  const auto begin = Clock::now();
  traffic.loads += static_cast<std::int64_t>(loads.size());
  std::deque<std::pair<Load, int>> under_way;  // with their buffers
  std::deque<Load> to_read;
  for (const Load& load : loads) {
    if (load.dropped >= 0) drop_panels(load.dropped);
    for (const Weight* part : expert_at(load.expert).parts) traffic.loaded_bytes += part->bytes();
    if (const std::optional<int> staged = stage_->take(load.expert)) {
      const int buffer = room_.load_buffers + *staged;
      ++traffic.prefetched_used;
      if (reader_->ended(buffer)) traffic.overlapped_bytes += reader_->read_bytes(load.expert);
      under_way.emplace_back(load, buffer);
    } else {
      to_read.push_back(load);
    }
  }
  std::vector<int> free(static_cast<std::size_t>(room_.load_buffers));
  std::iota(free.begin(), free.end(), 0);
  while (!under_way.empty() || !to_read.empty()) {
    std::vector<ExpertReader::Order> orders;
    for (; !to_read.empty() && !free.empty(); to_read.pop_front(), free.pop_back()) {
      orders.push_back({to_read.front().expert, free.back()});
      under_way.emplace_back(to_read.front(), free.back());
      traffic.read_bytes += reader_->read_bytes(to_read.front().expert);
    }
    if (!orders.empty()) reader_->begin(orders);
    std::vector<Load> ready;
    std::vector<int> buffers;
    while (!under_way.empty() && (ready.empty() || reader_->ended(under_way.front().second))) {
      const auto [load, buffer] = under_way.front();
      reader_->wait(buffer);
      ready.push_back(load);
      buffers.push_back(buffer);
      under_way.pop_front();
    }
    const auto packing = Clock::now();
    pack_from_buffers(ready, buffers);
    traffic.pack_s += seconds_since(packing);
    for (const int buffer : buffers) {
      if (buffer < room_.load_buffers) free.push_back(buffer);
    }
  }
  traffic.stall_s += seconds_since(begin);
}

void ExpertStore::pack_from_buffers(std::span<const Load> loads, std::span<const int> buffers) {
  std::vector<PackJob> jobs;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    std::byte* to = slots_[static_cast<std::size_t>(loads[i].slot)];
    for (const Weight& part : reader_->parts(buffers[i])) {
      jobs.push_back({&part, to});
      to += packed_bytes(part);
    }
  }
  pack_panels(jobs, &engine_.pool());
  std::size_t job = 0;
  for (const Load& load : loads) {
    for (Weight* part : expert_at(load.expert).parts) part->panels.data = jobs[job++].to;
  }
}

void ExpertStore::drop_panels(int expert) {
  for (Weight* part : expert_at(expert).parts) part->panels.data = nullptr;
}

void ExpertStore::prefetch(int layer, std::span<const int> experts) {
  const Layer* found = layer_at(layer);
  if (!prefetches() || found == nullptr) return;
  for (const int expert : experts) {
    SPECDEC_ASSERT(expert >= 0 && expert < found->count);
    wishes_.insert(found->first + expert);
  }
  ForgetUnlessDone guard(*this);
  read_ahead();
  guard.done();
}

void ExpertStore::read_ahead() {
  std::vector<ExpertReader::Order> orders;
  while (!wishes_.empty()) {
    const int expert = *wishes_.begin();
    if (!cache_->holds(expert) && !stage_->holds(expert)) {
      const Layer& layer = layers_[expert_at(expert).layer];
      const std::optional<ExpertStage::Place> place = stage_->add(expert, layer.layer);
      if (!place) break;
      const int buffer = room_.load_buffers + place->buffer;
      if (place->dropped >= 0) {
        ++traffic_of(place->dropped).prefetched_wasted;
        reader_->wait(buffer);
      }
      orders.push_back({expert, buffer});
      ExpertTraffic& traffic = traffic_of(expert);
      ++traffic.prefetched;
      traffic.read_bytes += reader_->read_bytes(expert);
      if (records_) {
        const bool again = !events_.empty() && events_.back().what == ExpertEvent::What::prefetched &&
                           events_.back().layer == layer.layer;
        if (!again) events_.push_back({ExpertEvent::What::prefetched, layer.layer, {}});
        events_.back().experts.push_back(expert - layer.first);
      }
    }
    wishes_.erase(wishes_.begin());
  }
  if (!orders.empty()) reader_->begin(orders);
}

void ExpertStore::forget() {
  if (all_packed()) return;
  reader_->drain();
  cache_->forget();
  stage_->forget();
  wishes_.clear();
  for (int expert = 0; expert < sizes_.experts; ++expert) drop_panels(expert);
}

ExpertLog ExpertStore::described() const {
  ExpertLog log;
  for (const Layer& layer : layers_) log.layers.push_back({layer.layer, layer.count});
  log.sizes = sizes_;
  if (all_packed()) {  // what a budget would need for reading is asked of the trace all the same
    ExpertReader reader(file_, make_thread_queue());
    for (const Expert& expert : experts_) reader.add(expert.parts);
    log.sizes.buffer_bytes = reader.buffer_bytes();
  }
  log.room = room_;
  for (const Expert& expert : experts_) {
    std::int64_t bytes = 0;
    for (const Weight* part : expert.parts) bytes += part->bytes();
    log.expert_bytes = std::max(log.expert_bytes, bytes);
  }
  log.policy = engine_.options().expert_policy;
  log.prefetch = engine_.options().expert_prefetch;
  return log;
}

}  // namespace specdec

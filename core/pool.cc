#include "core/pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace specdec {
namespace {

// Long enough to bridge the serial parts of a layer (a pause is 10 to 140 cycles), short enough not to burn a core.
constexpr int kSpins = 1000;
constexpr std::uint32_t kOpen = 1u << 31;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A thread that is waited for may have lost its core.
template <typename Done>
void spin_until(const Done& done) {
  for (int spin = 0; !done(); ++spin) spin < kSpins ? relax() : std::this_thread::yield();
}

}  // namespace

Pool::Pool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work_until_stopped(); });
}

Pool::~Pool() {
  stop_ = true;
  ++job_;
  job_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run(std::span<const Phase> phases) {
  while (!phases.empty() && phases.front().count < 2) {
    run_alone(phases.first(1));
    phases = phases.subspan(1);
  }
  if (phases.empty()) return;
  workers_.empty() ? run_alone(phases) : run_together(phases);
}

void Pool::run_alone(std::span<const Phase> phases) {
  for (const Phase& phase : phases) {
    for (std::int64_t i = 0; i < phase.count; ++i) phase(i);
  }
}

void Pool::run_together(std::span<const Phase> phases) {
  phases_ = phases;
  tasks_ = 0;
  for (const Phase& phase : phases) {
    if (phase.count < 2) continue;
    tasks_ += phase.count;
    ++barriers_;
  }
  done_.store(0, std::memory_order_relaxed);
  free_.store(phases.front().count, std::memory_order_relaxed);
  next_.store(0, std::memory_order_relaxed);
  gate_.store(kOpen, std::memory_order_release);
  job_.fetch_add(1);
  job_.notify_all();
  take_tasks();
  gate_.fetch_and(~kOpen);
  spin_until([&] { return gate_.load(std::memory_order_acquire) == 0; });
}

void Pool::take_tasks() {
  std::size_t phase = 0;
  std::int64_t begin = 0;  // of the phase
  for (std::int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
    while (phases_[phase].count < 2 || i >= begin + phases_[phase].count) {
      if (phases_[phase].count > 1) begin += phases_[phase].count;
      ++phase;
    }
    if (begin > 0) spin_until([&] { return free_.load(std::memory_order_acquire) > i; });
    phases_[phase](i - begin);
    const std::int64_t end = begin + phases_[phase].count;
    if (phase + 1 == phases_.size() || done_.fetch_add(1, std::memory_order_acq_rel) + 1 < end) continue;
    std::size_t after = phase + 1;
    for (; after < phases_.size() && phases_[after].count < 2; ++after) run_alone(phases_.subspan(after, 1));
    if (after < phases_.size()) free_.store(end + phases_[after].count, std::memory_order_release);
  }
}

bool Pool::join() {
  std::uint32_t gate = gate_.load(std::memory_order_acquire);
  while ((gate & kOpen) != 0) {
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void Pool::work_until_stopped() {
  for (std::uint32_t seen = 0; !stop_; seen = job_.load(std::memory_order_acquire)) {
    if (join()) {
      take_tasks();
      gate_.fetch_sub(1, std::memory_order_release);
    }
    for (int spin = 0; spin < kSpins && job_.load(std::memory_order_acquire) == seen; ++spin) relax();
    job_.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace specdec

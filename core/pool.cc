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

void Pool::run(std::int64_t count, Call call, const void* context) {
  call_ = call;
  context_ = context;
  count_ = count;
  next_.store(0, std::memory_order_relaxed);
  gate_.store(kOpen, std::memory_order_release);
  job_.fetch_add(1);
  job_.notify_all();
  take_tasks();
  gate_.fetch_and(~kOpen);
  for (int spin = 0; gate_.load(std::memory_order_acquire) != 0; ++spin) {
    spin < kSpins ? relax() : std::this_thread::yield();
  }
}

void Pool::take_tasks() {
  for (std::int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) call_(context_, i);
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

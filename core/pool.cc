#include "core/pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace specdec {
namespace {

// Long enough to bridge the serial parts of a layer, short enough not to burn a core between steps.
constexpr int kSpins = 4000;

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
  working_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
  job_.fetch_add(1, std::memory_order_seq_cst);
  job_.notify_all();
  take_tasks();
  for (int spin = 0; working_.load(std::memory_order_acquire) != 0; ++spin) {
    spin < kSpins ? relax() : std::this_thread::yield();
  }
}

void Pool::take_tasks() {
  for (std::int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) call_(context_, i);
}

void Pool::work_until_stopped() {
  std::uint32_t seen = 0;
  while (true) {
    for (int spin = 0; spin < kSpins && job_.load(std::memory_order_acquire) == seen; ++spin) relax();
    job_.wait(seen, std::memory_order_acquire);
    if (stop_) return;
    ++seen;
    take_tasks();
    working_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace specdec

// A persistent team of threads. Which thread does which task never changes a result: a task computes its outputs whole.
//   pool.for_each(rows, [&](std::int64_t row) { … });
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace specdec {

class Pool {
 public:
  explicit Pool(int threads);  // the caller of for_each is one of them
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // How often the team was started and waited for so far; wraps around.
  std::uint32_t starts() const { return job_.load(std::memory_order_relaxed); }

  // Calls work(i) once for every i in [0, count) and returns when all are done. Not reentrant; work must not throw.
  template <typename Work>
  void for_each(std::int64_t count, const Work& work) {
    if (workers_.empty() || count < 2) {
      for (std::int64_t i = 0; i < count; ++i) work(i);
      return;
    }
    run(
        count, [](const void* context, std::int64_t i) { (*static_cast<const Work*>(context))(i); }, &work);
  }

  // The same, but by the caller alone if a job of `size` is done before the others have woken: if it is below `least`.
  template <typename Work>
  void for_each_if_worth(std::int64_t size, std::int64_t least, std::int64_t count, const Work& work) {
    if (size >= least) return for_each(count, work);
    for (std::int64_t i = 0; i < count; ++i) work(i);
  }

 private:
  using Call = void (*)(const void*, std::int64_t);
  void run(std::int64_t count, Call call, const void* context);
  void take_tasks();
  void work_until_stopped();
  bool join();

  Call call_ = nullptr;
  const void* context_ = nullptr;
  std::int64_t count_ = 0;
  alignas(64) std::atomic<std::int64_t> next_{0};
  alignas(64) std::atomic<std::uint32_t> job_{0};  // increases by one for every run: what idle workers watch
  // Open, and how many workers have joined. Nobody waits for a worker that never came: on a busy machine the caller
  // does all tasks itself.
  alignas(64) std::atomic<std::uint32_t> gate_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace specdec

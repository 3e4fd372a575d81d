// A persistent team of threads. Which thread does which task never changes a result: a task computes its outputs whole.
//   pool.for_each(rows, [&](std::int64_t row) { … });
//   pool.run(std::array{Phase(tiles, multiply_tile), Phase(1, add_up), Phase(rows, norm_row)});
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

namespace specdec {

// Calls work(i) once for every i in [0, count); a view: the work must outlive the run. It must not throw.
struct Phase {
  template <typename Work>
  Phase(std::int64_t tasks, const Work& work)
      : count(tasks),
        call([](const void* of, std::int64_t i) { (*static_cast<const Work*>(of))(i); }),
        work_address(&work) {}

  void operator()(std::int64_t i) const { call(work_address, i); }

  std::int64_t count;
  void (*call)(const void*, std::int64_t);
  const void* work_address;
};

class Pool {
 public:
  explicit Pool(int threads);  // the caller of run is one of them
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // How often the team was started and waited for so far; wraps around.
  std::uint32_t starts() const { return job_.load(std::memory_order_relaxed); }
  // How often its threads waited for one another so far: at the end of every run, and between two phases.
  std::int64_t barriers() const { return barriers_; }

  // Does the phases one after the other, the tasks of each on all threads, and returns when all are done. The team is
  // started once; between two phases threads spin. A phase of one task is done by whoever ends the phase before. Not
  // reentrant.
  void run(std::span<const Phase> phases);

  template <typename Work>
  void for_each(std::int64_t count, const Work& work) {
    const Phase phase(count, work);
    run({&phase, 1});
  }

  // The same, but by the caller alone if a job of `size` is done before the others have woken: if it is below `least`.
  void run_if_worth(std::int64_t size, std::int64_t least, std::span<const Phase> phases) {
    if (size >= least) return run(phases);
    run_alone(phases);
  }
  template <typename Work>
  void for_each_if_worth(std::int64_t size, std::int64_t least, std::int64_t count, const Work& work) {
    const Phase phase(count, work);
    run_if_worth(size, least, {&phase, 1});
  }

 private:
  static void run_alone(std::span<const Phase> phases);
  void run_together(std::span<const Phase> phases);
  void take_tasks();
  void work_until_stopped();
  bool join();

  std::span<const Phase> phases_;
  std::int64_t tasks_ = 0;  // that are handed out: of the phases of more than one
  std::int64_t barriers_ = 0;
  alignas(64) std::atomic<std::int64_t> next_{0};  // the task to hand out
  alignas(64) std::atomic<std::int64_t> done_{0};  // handed out and ended
  alignas(64) std::atomic<std::int64_t> free_{0};  // tasks below this may begin
  alignas(64) std::atomic<std::uint32_t> job_{0};  // increases by one for every start: what idle workers watch
  // Open, and how many workers have joined. Nobody waits for a worker that never came: on a busy machine the caller
  // does all tasks itself.
  alignas(64) std::atomic<std::uint32_t> gate_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace specdec

// What a model computes with: threads, kernels of this machine's instruction set, and how activations are treated.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels/attention.h"
#include "core/profile.h"

namespace specdec {

class Pool;
struct Kernels;
struct ExpertPolicyKind;

struct EngineOptions {
  int threads = 0;  // 0 = one per core
  // "f32": activations are never rounded; "default": to int8 per row and group of 32 for weights with integer codes, to
  // bfloat16 for bfloat16 weights where the machine multiplies them.
  std::string compute = "default";
  std::string cpu = "auto";  // a name of cpu_levels()
  // Memory for packed routed experts: a size such as "2GiB", a share of them such as "25%", or "auto": what the machine
  // has left.
  std::string expert_cache = "auto";
  // When they do not all fit: which of them make room, by a name of expert_policies(), "static:FILE" with the trace of
  // a run; what is read before a pass wants it, by a name of ExpertPrefetch; and how, as of make_read_queue.
  std::string expert_policy = "lru";
  std::string expert_prefetch = "none";
  std::string expert_reads = "auto";
  // How large a step of Mamba2 is: "limit": within time_step_limit of config.json, as kernels and mlx-lm have it;
  // "min": at least time_step_min, as transformers has it while it reads a prompt, but not where it goes on token by
  // token.
  std::string time_steps = "limit";
  std::string cache = "auto";     // keys and values as "f32", "f16" or "q8"; "auto": f32 if compute is, else f16
  std::int64_t memory_bytes = 0;  // what the machine has left, for "auto"; 0 = as it is when a model is loaded

  auto operator<=>(const EngineOptions&) const = default;
};

// next_layer: what the next layer's router says of this layer's input. draft: what a guessed token used when it was
// last seen.
enum class ExpertPrefetch { none, next_layer, draft };
std::string_view name_of(ExpertPrefetch prefetch);

class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Pool& pool() const { return *pool_; }
  const Kernels& kernels() const { return kernels_; }
  bool quantises_activations() const { return quantises_activations_; }
  KvType cache() const { return cache_; }
  bool lengthens_time_steps() const { return options_.time_steps == "min"; }
  // How much memory experts may have that take `all_bytes` together. What was promised to others and perhaps not yet
  // filled is not there to be had.
  std::int64_t expert_budget(std::int64_t all_bytes) const;
  void promise_memory(std::int64_t bytes) const { promised_bytes_ += bytes; }  // taken back by a negative number
  const ExpertPolicyKind& expert_policy() const { return *expert_policy_; }
  const std::string& expert_trace() const { return expert_trace_; }  // of a policy that knows one, else empty
  ExpertPrefetch expert_prefetch() const { return expert_prefetch_; }
  int threads() const;
  std::string_view cpu_level() const;
  const EngineOptions& options() const { return options_; }

  // Adds the costs of every pass from here on to `profile`, which must outlive them; null = no longer.
  void profile_into(PassProfile* profile) { profile_ = profile; }
  void begin_profile() const {
    if (profile_ != nullptr) profile_->begin(pool_barriers());
  }
  void lap(Part part) const {
    if (profile_ != nullptr) profile_->lap(pool_barriers(), part);
  }
  void lap(Part part, double share, Part other) const {
    if (profile_ != nullptr) profile_->lap(pool_barriers(), part, share, other);
  }

 private:
  std::int64_t pool_barriers() const;

  EngineOptions options_;
  const Kernels& kernels_;
  bool quantises_activations_;
  KvType cache_;
  const ExpertPolicyKind* expert_policy_;
  std::string expert_trace_;
  ExpertPrefetch expert_prefetch_;
  std::unique_ptr<Pool> pool_;
  PassProfile* profile_ = nullptr;
  mutable std::int64_t promised_bytes_ = 0;
};

// Instruction-set levels that this machine has, best first; the last is always "generic".
std::vector<std::string_view> cpu_levels();
// Cores that this process may run on: what 0 threads means.
int usable_cores();

}  // namespace specdec

// What a model computes with: threads, kernels of this machine's instruction set, and how activations are treated.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/profile.h"

namespace specdec {

class Pool;
struct Kernels;

struct EngineOptions {
  int threads = 0;                  // 0 = one per core
  std::string compute = "default";  // "f32": activations are never quantised; "default": int8 per row and group of 32
  std::string cpu = "auto";         // a name of cpu_levels()
};

class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Pool& pool() const { return *pool_; }
  const Kernels& kernels() const { return kernels_; }
  bool quantises_activations() const { return quantises_activations_; }
  int threads() const;
  std::string_view cpu_level() const;
  const EngineOptions& options() const { return options_; }

  // Adds the costs of every pass from here on to `profile`, which must outlive them; null = no longer.
  void profile_into(PassProfile* profile) { profile_ = profile; }
  void begin_profile() const {
    if (profile_ != nullptr) profile_->begin(pool_starts());
  }
  void lap(Part part) const {
    if (profile_ != nullptr) profile_->lap(pool_starts(), part);
  }
  void lap(Part part, double share, Part other) const {
    if (profile_ != nullptr) profile_->lap(pool_starts(), part, share, other);
  }

 private:
  std::uint32_t pool_starts() const;

  EngineOptions options_;
  const Kernels& kernels_;
  bool quantises_activations_;
  std::unique_ptr<Pool> pool_;
  PassProfile* profile_ = nullptr;
};

// Instruction-set levels that this machine has, best first; the last is always "generic".
std::vector<std::string_view> cpu_levels();

}  // namespace specdec

// Where the time of a pass goes, by kind of layer. Off unless asked for:
//   PassProfile profile;
//   engine.profile_into(&profile);
//   model->forward(batch, *state, taps);
//   engine.profile_into(nullptr);
//   profile[Part::attention].s;
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace specdec {

// embedding: token rows, positions and what an MTP head joins to them. attention, mamba, delta, dense: with their
// projections and the residual addition. latent: into the width of experts and out of it. experts, shared: a layer's
// routed and shared experts run together, and their time is shared out in proportion to the weights that each
// multiplies by how many rows; adding up their results is counted with experts.
enum class Part { embedding, norms, attention, indexer, mamba, delta, router, latent, experts, shared, dense, head };
inline constexpr std::array<std::string_view, 12> kPartNames{"embedding", "norms",  "attention", "indexer",
                                                             "mamba",     "delta",  "router",    "latent",
                                                             "experts",   "shared", "dense",     "head"};

struct PartCost {
  double s = 0;               // on the clock of the calling thread
  std::int64_t barriers = 0;  // Pool::barriers()
};

class PassProfile {
 public:
  const PartCost& operator[](Part part) const { return costs_[static_cast<std::size_t>(part)]; }
  std::int64_t passes() const { return passes_; }

  // The rest is called by a pass. barriers: of the pool so far. Costs since the last begin or lap belong to `part`, or
  // a share of them to `part` and the rest to `other`.
  void begin(std::int64_t barriers) {
    ++passes_;
    last_ = Clock::now();
    last_barriers_ = barriers;
  }
  void lap(std::int64_t barriers, Part part) { lap(barriers, part, 1, part); }
  void lap(std::int64_t barriers, Part part, double share, Part other) {
    const auto now = Clock::now();
    const double s = std::chrono::duration<double>(now - last_).count();
    cost(part).s += share * s;
    cost(other).s += (1 - share) * s;
    cost(part).barriers += barriers - last_barriers_;
    last_ = now;
    last_barriers_ = barriers;
  }

 private:
  using Clock = std::chrono::steady_clock;
  PartCost& cost(Part part) { return costs_[static_cast<std::size_t>(part)]; }

  std::array<PartCost, kPartNames.size()> costs_{};
  std::int64_t passes_ = 0;
  Clock::time_point last_;
  std::int64_t last_barriers_ = 0;
};

}  // namespace specdec

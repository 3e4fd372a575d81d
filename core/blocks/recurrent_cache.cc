#include "core/blocks/recurrent_cache.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/blocks/product.h"
#include "core/error.h"
#include "core/kernels/recurrence.h"
#include "core/pool.h"

namespace specdec {
namespace {

constexpr int kRowsOfBlock = 16;
// Kept from pass to pass, as many rows as guesses make. Those of a prompt's passes would be hundreds of megabytes.
constexpr std::size_t kKeptBlocks = 8;
// States that a task walks through row after row: they stay in the L2 cache.
constexpr std::int64_t kMostTaskBytes = 128 << 10;

// Heads of a task: no more than share keys, and enough tasks for all threads.
int heads_of_task(const RecurrentShape& shape, int threads) {
  int heads = shape.sharing;
  const auto bytes = [&] { return heads * shape.state_floats() * static_cast<std::int64_t>(sizeof(float)); };
  while (heads % 2 == 0 && (shape.heads / heads < 2 * threads || bytes() > kMostTaskBytes)) heads /= 2;
  return heads;
}

}  // namespace

std::int64_t RecurrentShape::state_floats() const { return keys * padded_values(values); }

RecurrentCache::RecurrentCache(const Engine& engine, const Recurrence& recurrence)
    : engine_(engine),
      recurrence_(recurrence),
      shape_(recurrence.shape()),
      heads_of_task_(heads_of_task(shape_, engine.threads())),
      committed_(static_cast<std::size_t>(shape_.heads * shape_.state_floats())),
      working_(committed_.size()),
      tail_(static_cast<std::size_t>((shape_.taps - 1) * shape_.channels)) {
  SPECDEC_ASSERT(shape_.taps >= 1 && shape_.taps <= kMostTaps && shape_.heads % shape_.sharing == 0);
}

std::int64_t RecurrentCache::memory_bytes() const {
  const auto floats = static_cast<std::int64_t>(committed_.size() + working_.size() + tail_.size()) +
                      std::ssize(inputs_) * kRowsOfBlock * shape_.input_floats();
  return floats * static_cast<std::int64_t>(sizeof(float));
}

float* RecurrentCache::inputs(int pending_row) {
  return inputs_[static_cast<std::size_t>(pending_row / kRowsOfBlock)].get() +
         pending_row % kRowsOfBlock * shape_.input_floats();
}

void RecurrentCache::append(std::span<const int> parents, std::int64_t count) {
  parents_.assign(parents.begin(), parents.end());
  const auto rows = static_cast<int>(parents.size());
  while (std::ssize(inputs_) * kRowsOfBlock < rows) {
    inputs_.push_back(
        std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(kRowsOfBlock * shape_.input_floats())));
  }

  // Depth first, so that most rows follow their parent; first what goes on from the states at hand.
  const int first = rows - static_cast<int>(count);
  visits_.clear();
  children_.assign(static_cast<std::size_t>(count), -1);
  siblings_.assign(static_cast<std::size_t>(count), -1);
  const auto at = [&](std::vector<int>& list, int row) -> int& { return list[static_cast<std::size_t>(row - first)]; };
  for (int row = rows - 1; row >= first; --row) {
    const int parent = parents_[static_cast<std::size_t>(row)];
    if (parent >= first) at(siblings_, row) = std::exchange(at(children_, parent), row);
  }
  const auto walk = [&](int root) {
    for (int row = root; row >= 0;) {
      visit(row, first);
      int next = at(children_, row);
      while (next < 0) {
        next = at(siblings_, row);
        if (row == root || next >= 0) break;
        row = parents_[static_cast<std::size_t>(row)];
      }
      row = next;
    }
  };
  const int before = working_row_;
  for (const bool goes_on : {true, false}) {
    for (int row = first; row < rows; ++row) {
      const int parent = parents_[static_cast<std::size_t>(row)];
      if (parent < first && (parent == before) == goes_on) walk(row);
    }
  }
}

// Puts the steps that lead to a row, and its own, behind those there are.
void RecurrentCache::visit(int row, int first_new) {
  const int parent = parents_[static_cast<std::size_t>(row)];
  const bool goes_on = parent >= 0 && parent == working_row_;
  if (!goes_on) {
    path_.clear();
    for (int above = parent; above >= 0; above = parents_[static_cast<std::size_t>(above)]) path_.push_back(above);
    for (auto above = path_.rbegin(); above != path_.rend(); ++above)
      visits_.push_back({*above, above == path_.rbegin(), -1});
  }
  visits_.push_back({row, parent < 0, row - first_new});
  working_row_ = row;
}

std::int64_t RecurrentCache::work() const { return std::ssize(visits_) * shape_.heads * shape_.state_floats() * 4; }

void RecurrentCache::run(std::int64_t task, float* out) {
  const int first = static_cast<int>(task) * heads_of_task_;
  const std::int64_t states_at = first * shape_.state_floats();
  for (const Visit& visit : visits_) {
    std::array<const float*, kMostTaps> rows;
    int row = visit.row;
    int committed = shape_.taps - 1;  // of the tail, which are not yet among the rows
    for (int tap = shape_.taps - 1; tap >= 0; --tap) {
      if (row < 0) {
        rows[static_cast<std::size_t>(tap)] = tail_.data() + --committed * shape_.channels;
      } else {
        rows[static_cast<std::size_t>(tap)] = inputs(row);
        row = parents_[static_cast<std::size_t>(row)];
      }
    }
    const float* decays = inputs(visit.row) + shape_.channels;
    recurrence_.step(engine_, {.rows = rows.data(),
                               .decays = decays,
                               .rates = decays + shape_.heads,
                               .first = first,
                               .count = heads_of_task_,
                               .from = (visit.from_committed ? committed_ : working_).data() + states_at,
                               .to = working_.data() + states_at,
                               .out = visit.out < 0 ? nullptr : out + visit.out * shape_.values_of_row()});
  }
}

void RecurrentCache::commit(int, std::span<const int> path) {
  if (!path.empty()) {
    if (path.back() != working_row_) {
      visits_.clear();
      for (const int row : path) visits_.push_back({row, row == path.front(), -1});
      engine_.pool().for_each_if_worth(work(), kLeastProducts, tasks(), [&](std::int64_t task) { run(task, nullptr); });
    }
    std::swap(committed_, working_);
    const int kept = shape_.taps - 1;
    const int more = static_cast<int>(path.size());
    for (int i = 0; i < kept; ++i) {
      const int behind = i + more - kept;  // in the path; negative: in the tail
      const float* from =
          behind >= 0 ? inputs(path[static_cast<std::size_t>(behind)]) : tail_.data() + (i + more) * shape_.channels;
      std::copy_n(from, shape_.channels, tail_.data() + i * shape_.channels);
    }
  }
  working_row_ = -1;
  parents_.clear();
  if (inputs_.size() > kKeptBlocks) inputs_.resize(kKeptBlocks);
}

}  // namespace specdec

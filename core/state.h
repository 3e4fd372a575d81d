// Everything of a generation that changes. A Model is const; its State is not.
#pragma once

#include <cstdint>
#include <span>

namespace specdec {

// forward() appends pending rows; commit() keeps one root-to-node path of them and forgets the rest. commit({}) is
// rollback. A path lists pending rows from a root down, each the parent of the next.
class State {
 public:
  virtual ~State() = default;
  virtual int length() const = 0;    // committed positions
  virtual int pending() const = 0;   // rows appended since the last commit
  virtual int capacity() const = 0;  // committed and pending positions that fit
  // Of its cache and of the buffers of its passes, which grow with the rows of a pass and never shrink.
  virtual std::int64_t memory_bytes() const = 0;
  virtual void commit(std::span<const int> path) = 0;
};

}  // namespace specdec

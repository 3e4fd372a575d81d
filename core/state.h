// Everything of a generation that changes. A Model is const; its State is not.
#pragma once

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
  virtual void commit(std::span<const int> path) = 0;
};

}  // namespace specdec

// Ctrl-C as a wish: while an Interrupt lives, the first SIGINT is noted and the second ends the program as usual.
#pragma once

#include <csignal>

namespace specdec {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool came() const;

 private:
  struct sigaction before_ {};
};

}  // namespace specdec

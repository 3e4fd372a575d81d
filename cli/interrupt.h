// Ctrl-C as a wish, and what a closed terminal or a scheduler sends: while an Interrupt lives, the first SIGINT,
// SIGTERM and SIGHUP is noted and the second ends the program as usual.
#pragma once

#include <array>
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
  static constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace specdec

#include "notebooks-export/ticks.h"

#include <cmath>
#include <initializer_list>

namespace specdec {

double tick_step(double most) {
  const double rough = most / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (times * power >= rough) return times * power;
  }
  return 10 * power;
}

}  // namespace specdec

// Round numbers along an axis.
#pragma once

namespace specdec {

// 1, 2 or 5 times a power of ten: about five of them make `most`, which is positive.
double tick_step(double most);

}  // namespace specdec

#include <vector>

#include "core/kernels/kernels.h"

namespace specdec {

extern const Kernels kGenericKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

std::span<const Kernels* const> kernel_levels() {
  static const std::vector<const Kernels*> levels = [] {
    std::vector<const Kernels*> found;
#if defined(__x86_64__)
    const auto has = [](auto... names) { return (names && ...); };
    if (has(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512vl"),
            __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512vnni"), __builtin_cpu_supports("fma"),
            __builtin_cpu_supports("f16c"))) {
      found.push_back(&kAvx512Kernels);
    }
    if (has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"), __builtin_cpu_supports("f16c")))
      found.push_back(&kAvx2Kernels);
#endif
    found.push_back(&kGenericKernels);
    return found;
  }();
  return levels;
}

}  // namespace specdec

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <vector>

#include "core/kernels/kernels.h"

namespace specdec {

extern const Kernels kGenericKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

namespace {

#if defined(__x86_64__)
bool has_f16c() {  // clang 16 does not know this name in __builtin_cpu_supports
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

}  // namespace

std::span<const Kernels* const> kernel_levels() {
  static const std::vector<const Kernels*> levels = [] {
    std::vector<const Kernels*> found;
#if defined(__x86_64__)
    const auto has = [](auto... names) { return (names && ...); };
    if (has(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512vl"),
            __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512vnni"), __builtin_cpu_supports("fma"),
            has_f16c())) {
      found.push_back(&kAvx512Kernels);
    }
    if (has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"), has_f16c())) found.push_back(&kAvx2Kernels);
#endif
    found.push_back(&kGenericKernels);
    return found;
  }();
  return levels;
}

}  // namespace specdec

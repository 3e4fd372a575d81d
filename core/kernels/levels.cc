#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <vector>

#include "core/kernels/kernels.h"

namespace specdec {

extern const Kernels kGenericKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const decltype(Kernels::multiply_q8) kAvxVnniMultiplyQ8;
extern const Kernels kAvx512Kernels;
extern const decltype(Kernels::multiply_bf16) kAvx512Bf16MultiplyBf16;
#elif defined(__aarch64__)
extern const Kernels kNeonKernels;
extern const decltype(Kernels::multiply_q8) kNeonDotMultiplyQ8, kNeonI8mmMultiplyQ8;
#endif

namespace {

#if defined(__x86_64__)
bool has_f16c() {  // clang 16 does not know this name in __builtin_cpu_supports
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

// Leaf 7, subleaf 1: what clang 16 and GCC 12 do not both know by name.
bool has_feature_of_leaf_7_1(unsigned bit_of_eax) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && ((a >> bit_of_eax) & 1) != 0;
}
constexpr unsigned kAvxVnni = 4, kAvx512Bf16 = 5;

Kernels kernels_of_avx512bf16() {
  Kernels kernels = kAvx512Kernels;
  kernels.name = "avx512bf16";
  kernels.multiply_bf16 = kAvx512Bf16MultiplyBf16;
  return kernels;
}

Kernels kernels_of_avxvnni() {
  Kernels kernels = kAvx2Kernels;
  kernels.name = "avxvnni";
  kernels.multiply_q8 = kAvxVnniMultiplyQ8;
  return kernels;
}
#elif defined(__aarch64__)
Kernels neon_with(const char* name, decltype(Kernels::multiply_q8) multiply_q8) {
  Kernels kernels = kNeonKernels;
  kernels.name = name;
  kernels.multiply_q8 = multiply_q8;
  return kernels;
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
      static const Kernels avx512bf16 = kernels_of_avx512bf16();
      if (has_feature_of_leaf_7_1(kAvx512Bf16)) found.push_back(&avx512bf16);
      found.push_back(&kAvx512Kernels);
    }
    if (has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"), has_f16c())) {
      static const Kernels avxvnni = kernels_of_avxvnni();
      if (has_feature_of_leaf_7_1(kAvxVnni)) found.push_back(&avxvnni);
      found.push_back(&kAvx2Kernels);
    }
#elif defined(__aarch64__)
    static const Kernels neoni8mm = neon_with("neoni8mm", kNeonI8mmMultiplyQ8);
    static const Kernels neondot = neon_with("neondot", kNeonDotMultiplyQ8);
    if ((getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) found.push_back(&neoni8mm);
    if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) found.push_back(&neondot);
    found.push_back(&kNeonKernels);
#endif
    found.push_back(&kGenericKernels);
    return found;
  }();
  return levels;
}

const LawKernels& law_kernels() { return *kernel_levels().front()->laws; }

}  // namespace specdec

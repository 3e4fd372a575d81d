// What the levels with four products in one instruction share. A level defines before it includes this:
//   dot(sum, codes, x)    sum of four lanes, each with the products of its four codes and the inputs x
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

constexpr int kWidth = 16;
constexpr int kTile = 4, kFloatTile = 1;

#include "core/kernels/neon.inl"

struct Dot4 {
  int32x4_t sums[kVectors]{};
  void add(const Ints& codes, const std::int8_t* x) {
    const int8x16_t four = four_of(x);
    for (int i = 0; i < kVectors; ++i) sums[i] = dot(sums[i], codes.at[i], four);
  }
  Floats total(std::int32_t less) const {
    return each<Floats>([&](int i) { return as_numbers(sums[i], less); });
  }
};

// NOLINTEND

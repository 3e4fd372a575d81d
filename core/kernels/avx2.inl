// Vectors of 256 bits as panels.inl asks for them, for the levels that have them.
// NOLINTBEGIN: included inside an anonymous namespace of each level's file.

constexpr int kWidth = 8;
constexpr int kTile = 4, kFloatTile = 2;
using Floats = __m256;
using Ints = __m256i;

Floats zeros() { return _mm256_setzero_ps(); }
Floats splat(float x) { return _mm256_set1_ps(x); }
Floats load_floats(const std::byte* at) { return _mm256_loadu_ps(reinterpret_cast<const float*>(at)); }
Ints load_words(const std::byte* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
Floats plus(Floats a, Floats b) { return _mm256_add_ps(a, b); }
Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
Floats as_floats(Ints x) { return _mm256_castsi256_ps(x); }
Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }
template <int kBits>
Ints shifted(Ints x) {
  return _mm256_srli_epi32(x, kBits);
}
template <unsigned kBits>
Ints raised(Ints x) {
  return _mm256_slli_epi32(x, kBits);
}
template <unsigned kBits>
Ints shifted_signed(Ints x) {
  return _mm256_srai_epi32(x, kBits);
}
Ints either(Ints a, Ints b) { return _mm256_or_si256(a, b); }
Ints masked(Ints x, std::uint32_t mask) { return _mm256_and_si256(x, _mm256_set1_epi32(static_cast<int>(mask))); }
Floats widen_f16(Ints words, bool high) {
  const __m256i halves = high ? _mm256_srli_epi32(words, 16) : masked(words, 0xffff);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(halves, halves), 0x08);
  return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}
using Lanes = __m256i;
Lanes first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
void store(float* y, Floats v, Lanes lanes) { _mm256_maskstore_ps(y, lanes, v); }

Floats parameters(const std::byte* at, DType dtype) {
  if (dtype == DType::f32) return load_floats(at);
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  if (dtype == DType::f16) return _mm256_cvtph_ps(halves);
  return as_floats(raised<16>(_mm256_cvtepu16_epi32(halves)));
}

Ints byte_words(const std::byte* at) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
}
using Table = __m256i;
Table table_of(const std::uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}
Ints looked_up(Table table, Ints codes) { return _mm256_shuffle_epi8(table, codes); }

Ints four_of(const std::int8_t* x) {
  int four;
  __builtin_memcpy(&four, x, 4);
  return _mm256_set1_epi32(four);
}

// NOLINTEND

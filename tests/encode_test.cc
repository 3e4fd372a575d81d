// Writing formats: bit for bit what mlx.core.quantize writes (tests/data/encode), and what no golden can say.
#include "core/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "core/encode_float.h"
#include "core/files/safetensors.h"
#include "core/kernels/kernels.h"
#include "core/rounding.h"
#include "core/small_floats.h"
#include "tests/error_line.h"

namespace specdec {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/encode/encode.safetensors";

// The rows of make_encode_goldens.py that are beyond a format.
constexpr std::int64_t kLargeRow = 10, kSubnormalRow = 11;

std::vector<float> widened(const StoredTensor& tensor) {
  const Kernels& kernels = *kernel_levels().back();
  std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
  const auto* halves = reinterpret_cast<const std::uint16_t*>(tensor.data);
  if (tensor.dtype == DType::f32) std::memcpy(values.data(), tensor.data, tensor.bytes);
  if (tensor.dtype == DType::f16) kernels.widen_f16(halves, tensor.elements(), values.data());
  if (tensor.dtype == DType::bf16) kernels.widen_bf16(halves, tensor.elements(), values.data());
  return values;
}

// The parts of one row, one after the other.
std::vector<std::byte> encoded(const Encoding& encoding, const float* row, std::int64_t in, DType values) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(encoding.row_bytes(in, values)));
  std::vector<std::byte*> parts;
  std::byte* at = bytes.data();
  for (const EncodedPart& part : encoding.parts(encoding, in, values)) {
    parts.push_back(at);
    at += part.row_bytes();
  }
  encoding.encode(encoding, row, in, values, parts.data());
  return bytes;
}

bool beyond(const Encoding& encoding, std::int64_t row) {
  if (encoding.mode == "nvfp4") return row == kLargeRow;  // its scales end at 448: mlx writes zeros
  if (encoding.mode == "mxfp4" || encoding.mode == "mxfp8") return row == kSubnormalRow;  // mlx's exponents overflow
  return false;
}

TEST(Encode, WritesWhatMlxWrites) {
  const SafetensorsFile golden(kGolden);
  for (const std::string type : {"f32", "f16", "bf16"}) {
    const StoredTensor& source = golden.tensors().at(type);
    const std::vector<float> values = widened(source);
    const std::int64_t in = source.shape.back();
    for (const Encoding& encoding : encodings()) {
      if (!encoding.quantised()) continue;
      SCOPED_TRACE(type + " " + encoding.name);
      for (std::int64_t row = 0; row < source.shape.front(); ++row) {
        if (beyond(encoding, row)) continue;
        std::vector<std::byte> theirs;
        for (const EncodedPart& part : encoding.parts(encoding, in, source.dtype)) {
          const StoredTensor& tensor = golden.tensors().at(fmt::format("{}.{}{}", type, encoding.name, part.suffix));
          ASSERT_EQ(tensor.dtype, part.dtype);
          ASSERT_EQ(tensor.shape.back(), part.elements);
          const std::byte* at = tensor.data + row * part.row_bytes();
          theirs.insert(theirs.end(), at, at + part.row_bytes());
        }
        EXPECT_EQ(encoded(encoding, values.data() + row * in, in, source.dtype), theirs) << "row " << row;
      }
    }
  }
}

TEST(Encode, PlainValuesAreRoundedToTheNearest) {
  const auto bits = [](const char* name, float value) {
    std::uint16_t half;
    std::memcpy(&half, encoded(find_encoding(name), &value, 1, DType::f32).data(), 2);
    return half;
  };
  EXPECT_EQ(bits("bf16", 1.00390625f), 0x3f80) << "a tie, to even";
  EXPECT_EQ(bits("bf16", 1.01171875f), 0x3f82) << "a tie, to even";
  EXPECT_EQ(bits("bf16", -1.005f), 0xbf81);
  EXPECT_EQ(bits("f16", 1.0f), 0x3c00);
  EXPECT_EQ(bits("f16", -65504.0f), 0xfbff);
  EXPECT_EQ(bits("f16", 65520.0f), 0x7c00);
  EXPECT_EQ(bits("f16", 0x1p-24f), 0x0001);
  EXPECT_EQ(bits("f16", 0x1p-25f), 0x0000) << "a tie, to even";
  EXPECT_EQ(bits("f16", -0x1.8p-24f), 0x8002) << "a tie, to even";
  EXPECT_EQ(bits("f16", 0x1.ffcp-15f), 0x0400) << "up to the least normal number";
}

TEST(Encode, RoundsToEveryFloat16) {
  const Kernels& kernels = *kernel_levels().back();
  for (std::uint32_t half = 0; half < 0x7c00; ++half) {
    const auto stored = static_cast<std::uint16_t>(half);
    float value;
    kernels.widen_f16(&stored, 1, &value);
    ASSERT_EQ(round_to(DType::f16, value), value);
    ASSERT_EQ(bits_of_f16(value), stored);
    ASSERT_EQ(bits_of_f16(-value), stored | 0x8000);
  }
}

TEST(Encode, RoundsToEveryE4m3) {
  for (int code = 0; code < 0x7f; ++code) {
    const float value = e4m3_as_float(static_cast<std::uint8_t>(code));
    EXPECT_EQ(to_e4m3(value), code);
    EXPECT_EQ(to_e4m3(-value), code | 0x80);
    if (code == 0x7e) break;
    const float middle = (value + e4m3_as_float(static_cast<std::uint8_t>(code + 1))) / 2;
    EXPECT_EQ(to_e4m3(middle), code + code % 2) << "a tie, to even";
    EXPECT_EQ(to_e4m3(std::nextafter(middle, 1e9f)), code + 1);
  }
  EXPECT_EQ(to_e4m3(1e30f), 0x7e);
}

// Where mlx.core.quantize overflows, the nearest that the format holds.
TEST(Encode, BeyondAFormatIsItsNearestValue) {
  std::vector<float> row(32, 1e-42f);
  EXPECT_EQ(encoded(find_encoding("mxfp4"), row.data(), 32, DType::f32).back(), std::byte{0});
  EXPECT_EQ(encoded(find_encoding("mxfp8"), row.data(), 32, DType::f32).back(), std::byte{0});
  std::ranges::fill(row, -1e30f);
  const std::vector<std::byte> large = encoded(find_encoding("nvfp4"), row.data(), 32, DType::f32);
  EXPECT_EQ(large.front(), std::byte{0xff});
  EXPECT_EQ(large.back(), std::byte{0x7e});
}

TEST(Encode, EveryFormatIsCalledByItsName) {
  std::set<std::string> names;
  for (const Encoding& encoding : encodings()) {
    EXPECT_TRUE(names.insert(encoding.name).second) << encoding.name;
    EXPECT_EQ(&find_encoding(encoding.name), &encoding);
  }
  expect_error([] { find_encoding("affine7g64"); }, {"affine7g64", "affine4g64", "mxfp8", "bf16"});
}

}  // namespace
}  // namespace specdec

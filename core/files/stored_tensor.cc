#include "core/files/stored_tensor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace specdec {
namespace {

// ggml/src/ggml-common.h has the blocks.
constexpr std::array kDTypes{
    DTypeFacts{DType::f64, "F64", 1, 8},
    DTypeFacts{DType::f32, "F32", 1, 4},
    DTypeFacts{DType::f16, "F16", 1, 2},
    DTypeFacts{DType::bf16, "BF16", 1, 2},
    DTypeFacts{DType::f8_e4m3, "F8_E4M3", 1, 1},
    DTypeFacts{DType::f8_e5m2, "F8_E5M2", 1, 1},
    DTypeFacts{DType::f8_e8m0, "F8_E8M0", 1, 1},
    DTypeFacts{DType::i64, "I64", 1, 8},
    DTypeFacts{DType::i32, "I32", 1, 4},
    DTypeFacts{DType::i16, "I16", 1, 2},
    DTypeFacts{DType::i8, "I8", 1, 1},
    DTypeFacts{DType::u64, "U64", 1, 8},
    DTypeFacts{DType::u32, "U32", 1, 4},
    DTypeFacts{DType::u16, "U16", 1, 2},
    DTypeFacts{DType::u8, "U8", 1, 1},
    DTypeFacts{DType::boolean, "BOOL", 1, 1},
    DTypeFacts{DType::q4_0, "Q4_0", 32, 18},
    DTypeFacts{DType::q4_1, "Q4_1", 32, 20},
    DTypeFacts{DType::q5_0, "Q5_0", 32, 22},
    DTypeFacts{DType::q5_1, "Q5_1", 32, 24},
    DTypeFacts{DType::q8_0, "Q8_0", 32, 34},
    DTypeFacts{DType::q8_1, "Q8_1", 32, 36},
    DTypeFacts{DType::q2_k, "Q2_K", 256, 84},
    DTypeFacts{DType::q3_k, "Q3_K", 256, 110},
    DTypeFacts{DType::q4_k, "Q4_K", 256, 144},
    DTypeFacts{DType::q5_k, "Q5_K", 256, 176},
    DTypeFacts{DType::q6_k, "Q6_K", 256, 210},
    DTypeFacts{DType::q8_k, "Q8_K", 256, 292},
    DTypeFacts{DType::iq1_s, "IQ1_S", 256, 50},
    DTypeFacts{DType::iq1_m, "IQ1_M", 256, 56},
    DTypeFacts{DType::iq2_xxs, "IQ2_XXS", 256, 66},
    DTypeFacts{DType::iq2_xs, "IQ2_XS", 256, 74},
    DTypeFacts{DType::iq2_s, "IQ2_S", 256, 82},
    DTypeFacts{DType::iq3_xxs, "IQ3_XXS", 256, 98},
    DTypeFacts{DType::iq3_s, "IQ3_S", 256, 110},
    DTypeFacts{DType::iq4_nl, "IQ4_NL", 32, 18},
    DTypeFacts{DType::iq4_xs, "IQ4_XS", 256, 136},
    DTypeFacts{DType::tq1_0, "TQ1_0", 256, 54},
    DTypeFacts{DType::tq2_0, "TQ2_0", 256, 66},
    DTypeFacts{DType::mxfp4, "MXFP4", 32, 17},
    DTypeFacts{DType::nvfp4, "NVFP4", 64, 36},
    DTypeFacts{DType::q1_0, "Q1_0", 128, 18},
};

}  // namespace

std::span<const DTypeFacts> dtypes() { return kDTypes; }

const DTypeFacts& facts_of(DType dtype) {
  const auto found = std::ranges::find(kDTypes, dtype, &DTypeFacts::dtype);
  SPECDEC_ASSERT(found != kDTypes.end());
  return *found;
}

std::string_view name_of(DType dtype) { return facts_of(dtype).name; }

std::size_t bytes_of(DType dtype) {
  const DTypeFacts& facts = facts_of(dtype);
  SPECDEC_ASSERT(facts.block_elements == 1);
  return static_cast<std::size_t>(facts.block_bytes);
}

std::int64_t StoredTensor::elements() const {
  const DTypeFacts& facts = facts_of(dtype);
  return static_cast<std::int64_t>(bytes) / facts.block_bytes * facts.block_elements;
}

std::size_t bytes_needed(const std::vector<std::int64_t>& shape, DType dtype, std::string_view where) {
  const DTypeFacts& facts = facts_of(dtype);
  if (facts.block_elements > 1 && (shape.empty() || shape.back() % facts.block_elements != 0))
    throw Error("{}: {} stands in blocks of {} elements, which do not divide the shape {}", where, facts.name,
                facts.block_elements, shape);
  std::int64_t bytes = facts.block_bytes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t count = i + 1 == shape.size() ? shape[i] / facts.block_elements : shape[i];
    if (__builtin_mul_overflow(bytes, count, &bytes))
      throw Error("{}: shape {} of {} has more bytes than fit 63 bits", where, shape, facts.name);
  }
  return static_cast<std::size_t>(bytes);
}

}  // namespace specdec

// MLX affine quantisation: w = scale * code + bias, codes of 2 to 8 bits, groups of 32, 64 or 128 along the input.
// https://ml-explore.github.io/mlx (mlx.core.quantize). A row is one little-endian bit stream in uint32 words, so a
// code of 3, 5 or 6 bits may straddle two words. Bits and group follow from the shapes: config.json is not asked.
#include <algorithm>

#include "core/coded_rows.h"
#include "core/error.h"
#include "core/weights.h"

namespace specdec {
namespace {

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  if (!file.has(path + ".scales") || !file.has(path + ".weight")) return std::nullopt;
  if (!file.has(path + ".biases")) {
    const DType dtype = file.peek(path + ".scales")->dtype;
    if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16) return std::nullopt;  // another mode of MLX
    throw Error("{}: '{}.scales' is there as MLX affine has it, but '{}.biases' is missing", file.directory().string(),
                path, path);
  }
  const StoredTensor& codes = *file.find(path + ".weight");
  const StoredTensor& scales = *file.find(path + ".scales");
  const StoredTensor& biases = *file.find(path + ".biases");
  const auto fail = [&](const std::string& what) {
    return Error("{}: '{}' is not MLX affine as config.json means it ([{}]): {}", file.directory().string(), path,
                 fmt::join(shape, ", "), what);
  };
  if (codes.dtype != DType::u32) throw fail(fmt::format("codes are {}, expected U32", name_of(codes.dtype)));
  if (scales.dtype != DType::f32 && scales.dtype != DType::f16 && scales.dtype != DType::bf16) {
    throw fail(fmt::format("scales are {}, expected F32, F16 or BF16", name_of(scales.dtype)));
  }
  if (biases.dtype != scales.dtype || biases.shape != scales.shape)
    throw fail("biases and scales differ in dtype or shape");
  const auto leading_equal = [&](const StoredTensor& tensor) {
    return tensor.shape.size() == shape.size() && tensor.shape.back() > 0 &&
           std::equal(shape.begin(), shape.end() - 1, tensor.shape.begin());
  };
  if (!leading_equal(codes) || !leading_equal(scales)) {
    throw fail(fmt::format("codes are [{}], scales [{}]", fmt::join(codes.shape, ", "), fmt::join(scales.shape, ", ")));
  }
  Weight weight;
  weight.in = shape.back();
  weight.out = scales.elements() / scales.shape.back();
  weight.bits = static_cast<int>(codes.shape.back() * 32 / weight.in);
  weight.group = static_cast<int>(weight.in / scales.shape.back());
  if (weight.bits < 2 || weight.bits > 8 || weight.bits == 7 || codes.shape.back() * 32 != weight.in * weight.bits) {
    throw fail(fmt::format("{} words for {} inputs is no 2, 3, 4, 5, 6 or 8 bits", codes.shape.back(), weight.in));
  }
  if ((weight.group != 32 && weight.group != 64 && weight.group != 128) ||
      weight.group * scales.shape.back() != weight.in) {
    throw fail(fmt::format("{} scales for {} inputs is no group of 32, 64 or 128", scales.shape.back(), weight.in));
  }
  weight.values = {codes.data, codes.shape.back() * 4};
  const std::int64_t scale_row_bytes = scales.shape.back() * static_cast<std::int64_t>(bytes_of(scales.dtype));
  weight.scales = {scales.data, scale_row_bytes};
  weight.biases = {biases.data, scale_row_bytes};
  weight.scale_dtype = scales.dtype;
  return weight;
}

// Codes of 2 and 3 bits have room in 4, those of 6 in 8.
Panels panels(const Weight& weight) {
  return with_bytes({.kind = weight.bits <= 4   ? PanelKind::codes4
                             : weight.bits == 5 ? PanelKind::codes5
                                                : PanelKind::codes8,
                     .scale_dtype = weight.scale_dtype,
                     .biased = true,
                     .group = weight.group,
                     .in = weight.in});
}

// Codes of a stream of bits, each with as many bits as panels have for it.
void widen_codes(const std::byte* from, int bits, std::int64_t count, std::byte* out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
  const auto mask = (1u << bits) - 1;
  // 32 codes fill `bits` words exactly, so no window reads past the row.
  const auto code = [&](std::int64_t k) {
    const std::int64_t bit = k * bits;
    unsigned window = bytes[bit / 8];
    if (bit % 8 + bits > 8) window |= static_cast<unsigned>(bytes[bit / 8 + 1]) << 8;
    return (window >> (bit % 8)) & mask;
  };
  if (bits > 4) {
    for (std::int64_t k = 0; k < count; ++k) out[k] = static_cast<std::byte>(code(k));
  } else {
    for (std::int64_t k = 0; k < count; k += 2) out[k / 2] = static_cast<std::byte>(code(k) | code(k + 1) << 4);
  }
}

void read(const Weight& weight, std::int64_t row, CodedRow& out) {
  read_stored(weight, row, out);
  if (weight.bits == 4 || weight.bits == 8) return;
  widen_codes(out.codes, weight.bits, weight.in, out.code_room);
  out.codes = out.code_room;
}

}  // namespace

QuantFormat quant_affine() {
  return coded_format<panels, read>("affine", "MLX affine, 2 to 8 bits, groups of 32, 64 or 128", open);
}

}  // namespace specdec

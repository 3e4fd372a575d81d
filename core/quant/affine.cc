// MLX affine quantisation: w = scale * code + bias, codes of 2 to 8 bits, groups of 32, 64 or 128 along the input.
// https://ml-explore.github.io/mlx (mlx.core.quantize). A row is one little-endian bit stream in uint32 words, so a
// code of 3, 5 or 6 bits may straddle two words. Bits and group follow from the shapes: config.json is not asked.
#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/weights.h"

namespace specdec {
namespace {

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  if (!file.has(path + ".scales") || !file.has(path + ".biases") || !file.has(path + ".weight")) return std::nullopt;
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
  weight.data = codes.data;
  weight.row_bytes = codes.shape.back() * 4;
  weight.scales = scales.data;
  weight.biases = biases.data;
  weight.scale_dtype = scales.dtype;
  weight.scale_row_bytes = scales.shape.back() * static_cast<std::int64_t>(bytes_of(scales.dtype));
  return weight;
}

// The codes of one row, a byte each.
void unpack_codes(const Weight& weight, std::int64_t row, std::uint8_t* out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(weight.data + row * weight.row_bytes);
  if (weight.bits == 8) {
    std::copy_n(bytes, weight.in, out);
    return;
  }
  if (weight.bits == 4) {
    for (std::int64_t k = 0; k < weight.in / 2; ++k) {
      out[2 * k] = bytes[k] & 15;
      out[2 * k + 1] = bytes[k] >> 4;
    }
    return;
  }
  const auto mask = static_cast<std::uint32_t>((1 << weight.bits) - 1);
  // 32 codes fill `bits` words exactly, so no window reads past the row.
  for (std::int64_t k = 0; k < weight.in; ++k) {
    const std::int64_t bit = k * weight.bits;
    std::uint32_t window = bytes[bit / 8];
    if (bit % 8 + weight.bits > 8) window |= static_cast<std::uint32_t>(bytes[bit / 8 + 1]) << 8;
    out[k] = static_cast<std::uint8_t>((window >> (bit % 8)) & mask);
  }
}

std::vector<std::uint8_t>& code_buffer(std::int64_t size) {
  thread_local std::vector<std::uint8_t> codes;
  if (static_cast<std::int64_t>(codes.size()) < size) codes.resize(static_cast<std::size_t>(size));
  return codes;
}

void unpack(const Weight& weight, std::int64_t row, float* out, const Kernels& kernels) {
  std::vector<std::uint8_t>& codes = code_buffer(weight.in);
  unpack_codes(weight, row, codes.data());
  const auto parameter = [&](const std::byte* values, std::int64_t group) {
    const std::byte* at =
        values + row * weight.scale_row_bytes + group * static_cast<std::int64_t>(bytes_of(weight.scale_dtype));
    float value;
    if (weight.scale_dtype == DType::f32) {
      value = *reinterpret_cast<const float*>(at);
    } else {
      const auto widen = weight.scale_dtype == DType::bf16 ? kernels.widen_bf16 : kernels.widen_f16;
      widen(reinterpret_cast<const std::uint16_t*>(at), 1, &value);
    }
    return value;
  };
  for (std::int64_t group = 0; group < weight.in / weight.group; ++group) {
    const float scale = parameter(weight.scales, group);
    const float bias = parameter(weight.biases, group);
    const std::uint8_t* from = codes.data() + group * weight.group;
    float* to = out + group * weight.group;
    for (int k = 0; k < weight.group; ++k) to[k] = scale * static_cast<float>(from[k]) + bias;
  }
}

// Codes of 2 and 3 bits have room in 4, those of 5 and 6 in 8.
Panels panels(const Weight& weight) {
  const std::int64_t bits = weight.bits <= 4 ? 4 : 8;
  const std::int64_t row_bytes = weight.in * bits / 8 + 2 * weight.scale_row_bytes;
  return {.panel_bytes = kPanel * row_bytes,
          .kind = bits == 4 ? PanelKind::affine4 : PanelKind::affine8,
          .scale_dtype = weight.scale_dtype,
          .group = weight.group,
          .in = weight.in};
}

// The rows [first, first + count) with codes of the panels' bits, in stored order; stored codes as they are, others
// through a buffer.
struct CodeRows {
  const std::byte* data;
  std::int64_t row_bytes;
};
CodeRows rows_of_codes(const Weight& weight, std::int64_t first, std::int64_t count, PanelKind kind) {
  if (weight.bits == 4 || weight.bits == 8) return {weight.data + first * weight.row_bytes, weight.row_bytes};
  const std::int64_t row_bytes = kind == PanelKind::affine4 ? weight.in / 2 : weight.in;
  std::uint8_t* rows = code_buffer((count + 1) * weight.in).data();
  std::uint8_t* codes = rows + count * weight.in;
  for (std::int64_t row = 0; row < count; ++row) {
    std::uint8_t* to = rows + row * row_bytes;
    unpack_codes(weight, first + row, codes);
    for (std::int64_t i = 0; i < row_bytes; ++i) {
      to[i] = kind == PanelKind::affine4 ? static_cast<std::uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4) : codes[i];
    }
  }
  return {reinterpret_cast<const std::byte*>(rows), row_bytes};
}

// Four nibbles, a byte each.
std::uint32_t spread(std::uint32_t nibbles) {
  nibbles = (nibbles | nibbles << 8) & 0x00ff00ffu;
  return (nibbles | nibbles << 4) & 0x0f0f0f0fu;
}

void pack(const Weight& weight, std::int64_t first, std::int64_t count, std::byte* panel) {
  const Panels layout = panels(weight);
  const auto size = static_cast<std::int64_t>(bytes_of(weight.scale_dtype));
  // Constant sizes: no call for every parameter.
  const auto copy = [&](std::byte* to, const std::byte* from) {
    size == 4 ? std::memcpy(to, from, 4) : std::memcpy(to, from, 2);
  };
  if (count < kPanel) std::memset(panel, 0, static_cast<std::size_t>(layout.panel_bytes));
  const CodeRows codes = rows_of_codes(weight, first, count, layout.kind);
  const std::int64_t group_bytes = weight.group * (layout.kind == PanelKind::affine4 ? 4 : 8) / 8;
  for (std::int64_t g = 0; g < weight.in / weight.group; ++g) {
    const std::int64_t parameters = first * weight.scale_row_bytes + g * size;
    for (std::int64_t row = 0; row < count; ++row) {
      const std::int64_t from = parameters + row * weight.scale_row_bytes;
      copy(panel + row * size, weight.scales + from);
      copy(panel + (kPanel + row) * size, weight.biases + from);
    }
    panel += 2 * kPanel * size;
    const std::byte* from = codes.data + g * group_bytes;
    if (layout.kind == PanelKind::affine4) {
      transpose_words(from, codes.row_bytes, count, group_bytes, panel,
                      [](std::uint32_t word) { return spread(word & 0xffffu) | spread(word >> 16) << 4; });
    } else {
      transpose_words(from, codes.row_bytes, count, group_bytes, panel, [](std::uint32_t word) { return word; });
    }
    panel += group_bytes * kPanel;
  }
}

}  // namespace

QuantFormat quant_affine() {
  return {"affine", "MLX affine, 2 to 8 bits, groups of 32, 64 or 128", open, unpack, panels, pack};
}

}  // namespace specdec

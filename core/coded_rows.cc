#include "core/coded_rows.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/files/stored_tensor.h"
#include "core/small_floats.h"

namespace specdec {
namespace {

std::int64_t parts_of(std::int64_t in, std::int64_t group) { return (in + group - 1) / group; }

std::int64_t scale_bytes(DType dtype) { return static_cast<std::int64_t>(bytes_of(dtype)); }

template <typename T>
T value_at(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

float number_at(const std::byte* at, DType dtype) {
  if (dtype == DType::f32) return value_at<float>(at);
  if (dtype == DType::f16) return f16_as_float(value_at<std::uint16_t>(at));
  if (dtype == DType::bf16) return bf16_as_float(value_at<std::uint16_t>(at));
  if (dtype == DType::f8_e8m0) return e8m0_as_float(value_at<std::uint8_t>(at));
  if (dtype == DType::f8_e4m3) return e4m3_as_float(value_at<std::uint8_t>(at));
  SPECDEC_ASSERT(dtype == DType::u8);
  return value_at<std::uint8_t>(at);
}

// Of a group, before its super-group's.
float scale_at(const Panels& panels, const std::byte* scales, std::int64_t group) {
  const float number = number_at(scales + group * scale_bytes(panels.scale_dtype), panels.scale_dtype);
  if (panels.scale_dtype == DType::u8) return panels.factor * (number - panels.scale_centre);
  return bytes_of(panels.scale_dtype) == 1 ? panels.factor * number : number;
}

std::uint8_t code_at(const Panels& panels, const std::byte* codes, std::int64_t k) {
  if (panels.kind != PanelKind::codes4) return static_cast<std::uint8_t>(codes[k]);
  const auto code = static_cast<std::uint8_t>(codes[k / 2] >> (k % 2 * 4)) & 15;
  return panels.table != nullptr ? panels.table[code] : static_cast<std::uint8_t>(code);
}

// Rows and the room behind them, for one panel; one at a time in a thread.
class Rows {
 public:
  Rows(std::int64_t in, std::int64_t count) {
    constexpr std::int64_t kScale = 4, kLeastGroup = 16;
    const std::int64_t scales = parts_of(in, kLeastGroup) * kScale;
    thread_local std::vector<std::byte> store;  // looking rows up allocates nothing
    const auto needed = static_cast<std::size_t>(count * (in + 4 * scales));
    if (store.size() < needed) store.resize(needed);
    std::byte* at = store.data();
    for (std::int64_t i = 0; i < count; ++i) {
      CodedRow& row = rows_[static_cast<std::size_t>(i)];
      row = {};
      const auto take = [&](std::byte*& room, std::int64_t bytes) { room = std::exchange(at, at + bytes); };
      take(row.code_room, in);
      for (std::byte** room : {&row.scale_room, &row.bias_room, &row.super_scale_room, &row.super_bias_room}) {
        take(*room, scales);
      }
    }
  }
  CodedRow& operator[](std::int64_t i) { return rows_[static_cast<std::size_t>(i)]; }

 private:
  std::array<CodedRow, kPanel> rows_;
};

// Numbers of 8 bits that a product would take for others. Larger ones show in its results.
void expect_numbers(const Panels& panels, const Weight& weight, const CodedRow& row) {
  const auto expect = [&](const std::byte* bytes, std::int64_t count, unsigned sign, unsigned not_a_number) {
    const auto is_bad = [&](std::byte byte) { return (std::to_integer<unsigned>(byte) | sign) == not_a_number; };
    if (bytes == nullptr || std::none_of(bytes, bytes + count, is_bad)) return;
    throw Error("{} holds NaN values; the file is damaged: download or convert it again", weight.where);
  };
  const std::int64_t groups = parts_of(panels.in, panels.group);
  if (panels.kind == PanelKind::e4m3) expect(row.codes, panels.in, 0x80, 0xff);
  if (panels.scale_dtype == DType::f8_e4m3) expect(row.scales, groups, 0x80, 0xff);
  if (panels.scale_dtype == DType::f8_e8m0) expect(row.scales, groups, 0, 0xff);
}

// Four nibbles, a byte each.
std::uint32_t spread(std::uint32_t nibbles) {
  nibbles = (nibbles | nibbles << 8) & 0x00ff00ffu;
  return (nibbles | nibbles << 4) & 0x0f0f0f0fu;
}

// kQ8Group codes of 5 bits of each row, as panels have them; returns where the next ones go.
std::byte* put_fives(std::span<const std::byte* const> rows, std::int64_t begin, std::byte* to) {
  constexpr int kFours = kQ8Group / 4;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::array<std::uint32_t, kFours> fours;
    std::memcpy(fours.data(), rows[row] + begin, sizeof(fours));
    std::uint32_t upper = 0;
    for (int j = 0; j < kFours; ++j) upper |= (fours[static_cast<std::size_t>(j)] >> 4 & 0x01010101u) << j;
    std::memcpy(to + row * 4, &upper, 4);
    for (std::size_t j = 0; j < kFours; j += 2) {
      const std::uint32_t lower = (fours[j] & 0x0f0f0f0fu) | (fours[j + 1] & 0x0f0f0f0fu) << 4;
      std::memcpy(to + ((j / 2 + 1) * kPanel + row) * 4, &lower, 4);
    }
  }
  return to + (kFours / 2 + 1) * kPanel * 4;
}

}  // namespace

void read_stored(const Weight& weight, std::int64_t row, CodedRow& out) {
  const auto row_of = [&](const StoredRows& rows) { return rows.data != nullptr ? rows.row(row) : nullptr; };
  out.codes = row_of(weight.values);
  out.scales = row_of(weight.scales);
  out.biases = row_of(weight.biases);
  out.super_scales = row_of(weight.super_scales);
}

Panels with_bytes(Panels panels) {
  const std::int64_t sets = panels.biased ? 2 : 1;
  const std::int64_t bits = panels.kind == PanelKind::codes4 ? 4 : panels.kind == PanelKind::codes5 ? 5 : 8;
  std::int64_t row_bytes = panels.in * bits / 8;
  row_bytes += sets * parts_of(panels.in, panels.group) * scale_bytes(panels.scale_dtype);
  if (panels.super_group != 0) {
    row_bytes += sets * parts_of(panels.in, panels.super_group) * scale_bytes(panels.super_dtype);
  }
  constexpr std::int64_t kAlignment = 64;
  panels.panel_bytes = parts_of(kPanel * row_bytes, kAlignment) * kAlignment;
  return panels;
}

void unpack_coded(const Panels& panels, ReadRow read, const Weight& weight, std::int64_t index, float* out) {
  Rows rows(weight.in, 1);
  CodedRow& row = rows[0];
  read(weight, index, row);
  float super_scale = 1, super_bias = 1;
  for (std::int64_t k = 0; k < weight.in;) {
    if (panels.super_group != 0 && k % panels.super_group == 0) {
      const std::int64_t at = k / panels.super_group * scale_bytes(panels.super_dtype);
      super_scale = number_at(row.super_scales + at, panels.super_dtype);
      if (panels.biased) super_bias = number_at(row.super_biases + at, panels.super_dtype);
    }
    const std::int64_t group = k / panels.group;
    const float scale = scale_at(panels, row.scales, group) * super_scale;
    const float bias = panels.biased ? scale_at(panels, row.biases, group) * super_bias : 0;
    const std::int64_t end = std::min((group + 1) * panels.group, weight.in);
    for (; k < end; ++k) {
      if (panels.kind == PanelKind::e4m3) {
        out[k] = scale * e4m3_as_float(static_cast<std::uint8_t>(row.codes[k]));
      } else if (panels.biased) {
        out[k] = scale * static_cast<float>(code_at(panels, row.codes, k)) + bias;
      } else {
        out[k] = scale * (static_cast<float>(code_at(panels, row.codes, k)) - panels.centre);
      }
    }
  }
}

void pack_coded(const Panels& panels, ReadRow read, const Weight& weight, std::int64_t first, std::int64_t count,
                std::byte* panel) {
  Rows rows(weight.in, count);
  if (count < kPanel) std::memset(panel, 0, static_cast<std::size_t>(panels.panel_bytes));
  std::array<const std::byte*, kPanel> codes;
  for (std::int64_t i = 0; i < count; ++i) {
    read(weight, first + i, rows[i]);
    expect_numbers(panels, weight, rows[i]);
    codes[static_cast<std::size_t>(i)] = rows[i].codes;
  }
  const std::span all_codes(codes.data(), static_cast<std::size_t>(count));

  const auto put = [&](const std::byte* CodedRow::*numbers, DType dtype, std::int64_t number) {
    const std::int64_t size = scale_bytes(dtype);
    const auto copy = [&](auto width) {  // a constant size: no call for every number
      for (std::int64_t i = 0; i < count; ++i) std::memcpy(panel + i * width, rows[i].*numbers + number * width, width);
    };
    if (size == 4) copy(std::integral_constant<std::int64_t, 4>());
    if (size == 2) copy(std::integral_constant<std::int64_t, 2>());
    if (size == 1) copy(std::integral_constant<std::int64_t, 1>());
    panel += kPanel * size;
  };
  for (std::int64_t k = 0; k < weight.in; k += panels.group) {
    if (panels.super_group != 0 && k % panels.super_group == 0) {
      put(&CodedRow::super_scales, panels.super_dtype, k / panels.super_group);
      if (panels.biased) put(&CodedRow::super_biases, panels.super_dtype, k / panels.super_group);
    }
    put(&CodedRow::scales, panels.scale_dtype, k / panels.group);
    if (panels.biased) put(&CodedRow::biases, panels.scale_dtype, k / panels.group);
    const std::int64_t inputs = std::min(panels.group, weight.in - k);
    if (panels.kind == PanelKind::codes5) {
      for (std::int64_t chunk = k; chunk < k + inputs; chunk += kQ8Group) panel = put_fives(all_codes, chunk, panel);
    } else if (panels.kind == PanelKind::codes4) {
      transpose_words(all_codes, k / 2, inputs / 2, panel,
                      [](std::uint32_t word) { return spread(word & 0xffffu) | spread(word >> 16) << 4; });
      panel += inputs / 2 * kPanel;
    } else {
      transpose_words(all_codes, k, inputs, panel, [](std::uint32_t word) { return word; });
      panel += inputs * kPanel;
    }
  }
}

}  // namespace specdec

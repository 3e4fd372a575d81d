// Weight formats: MLX affine decodes bit for bit as mlx.core.dequantize (tests/data/affine), products equal a naive
// loop.
#include "core/quant.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <new>
#include <thread>

#include "core/blocks/product.h"
#include "core/error.h"
#include "core/files/safetensors.h"
#include "core/panel_store.h"
#include "core/pool.h"
#include "core/rng.h"
#include "core/weights.h"
#include "tests/error_line.h"

namespace specdec {
namespace {

const std::filesystem::path kAffine = std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/affine";

// A directory whose only file is model.safetensors with the given tensors.
class Directory {
 public:
  explicit Directory(std::span<const StoredTensor> tensors) {
    std::filesystem::create_directories(path_);
    write_safetensors(path_ / "model.safetensors", tensors);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() / fmt::format("specdec-quant-{}", getpid());
};

TEST(Affine, DecodesAsMlxBitForBit) {
  const SafetensorsFile golden(kAffine / "affine.safetensors");
  std::vector<StoredTensor> all;
  for (const auto& [name, tensor] : golden.tensors()) all.push_back(tensor);
  const Directory directory(all);
  WeightFile file(directory.path());
  int cases = 0;
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) {
      const std::string path = fmt::format("b{}_g{}", bits, group);
      const Weight weight = file.linear(path, {4, 256});
      EXPECT_EQ(weight.bits, bits);
      EXPECT_EQ(weight.group, group);
      const StoredTensor& expected = *file.find(path + ".expected");
      std::vector<float> theirs(1024), ours(1024);
      std::memcpy(theirs.data(), expected.data, expected.bytes);
      for (std::int64_t row = 0; row < 4; ++row) {
        weight.format->unpack(weight, row, ours.data() + row * 256, *kernel_levels().front());
      }
      EXPECT_EQ(ours, theirs) << path;
      ++cases;

      // Products in both ways to compute, selected rows, an odd range of outputs.
      std::vector<float> x(3 * 256);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(2 * Rng(1).uniform(i) - 1);
      for (const std::string_view cpu : cpu_levels()) {
        for (const char* compute : {"f32", "default"}) {
          Engine engine({.threads = 1, .compute = compute, .cpu = std::string(cpu)});
          ActivationBuffer buffer;
          const Activations activations = activate(engine, x.data(), 3, 256, buffer);
          const std::vector<int> rows{2, 0};
          std::vector<float> y(2 * 3);
          multiply_panels(weight, 0, 3, activations, rows.data(), 2, y.data(), 3, engine.kernels());
          for (std::size_t i = 0; i < 2; ++i) {
            for (std::size_t o = 0; o < 3; ++o) {
              double sum = 0;
              double magnitude = 0;
              for (std::size_t k = 0; k < 256; ++k) {
                const double product =
                    static_cast<double>(theirs[o * 256 + k]) * x[static_cast<std::size_t>(rows[i]) * 256 + k];
                sum += product;
                magnitude += std::abs(product);
              }
              // int8 rounds each activation by up to 1/254 of its group's largest; errors average out.
              const double tolerance = std::string_view(compute) == "f32" ? 1e-5 : 4e-3;
              EXPECT_NEAR(y[i * 3 + o], sum, tolerance * magnitude) << path << " " << cpu << " " << compute;
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(cases, 18);
}

struct Golden {
  const char* name;
  const char* format;
  std::vector<std::int64_t> shape;
  std::int64_t first_row = 0;  // of those that are expected
};

std::vector<StoredTensor> tensors_of_goldens(const SafetensorsFile& file) {
  std::vector<StoredTensor> all;
  for (const auto& [name, tensor] : file.tensors()) {
    if (name != "fp8_block.weight") {
      all.push_back(tensor);
      continue;
    }
    for (const char* user : {"fp8_block_f32.weight", "fp8_block_bf16.weight", "fp8_block_ue8m0.weight"}) {
      all.push_back(tensor);
      all.back().name = user;
    }
  }
  return all;
}

TEST(Formats, DecodeAsTheLibrariesThatMadeThemBitForBit) {
  const std::filesystem::path path = std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/formats";
  const SafetensorsFile golden(path / "formats.safetensors");
  const Directory directory(tensors_of_goldens(golden));
  WeightFile file(directory.path());
  for (const Golden& one : std::vector<Golden>{{"mxfp4_made", "mxfp4", {4, 256}},
                                               {"mxfp4_raw", "mxfp4", {4, 256}},
                                               {"mxfp8_made", "mxfp8", {4, 256}},
                                               {"mxfp8_raw", "mxfp8", {4, 256}},
                                               {"nvfp4_made", "nvfp4", {4, 256}},
                                               {"nvfp4_raw", "nvfp4", {4, 256}},
                                               {"int4_g32", "int4_packed", {4, 256}},
                                               {"int4_g128", "int4_packed", {4, 256}},
                                               {"int8_g64", "int4_packed", {4, 256}},
                                               {"nvfp4_packed", "nvfp4_packed", {4, 256}},
                                               {"nvfp4_modelopt", "nvfp4_modelopt", {4, 256}},
                                               {"fp8_block_f32", "fp8", {256, 256}, 126},
                                               {"fp8_block_bf16", "fp8", {256, 256}, 126},
                                               {"fp8_block_ue8m0", "fp8", {256, 256}, 126},
                                               {"fp8_tensor", "fp8", {4, 256}},
                                               {"fp8_row", "fp8", {4, 256}},
                                               {"mxfp4", "mxfp4_blocks", {2, 4, 256}}}) {
    SCOPED_TRACE(one.name);
    const Weight weight = one.shape.size() == 2 ? file.linear(one.name, {one.shape[0], one.shape[1]})
                                                : file.linear(one.name, {one.shape[0], one.shape[1], one.shape[2]});
    EXPECT_EQ(weight.format->name, one.format);
    const StoredTensor& expected = *file.find(fmt::format("{}.expected", one.name));
    std::vector<float> theirs(static_cast<std::size_t>(expected.elements())), ours(theirs.size());
    std::memcpy(theirs.data(), expected.data, expected.bytes);
    for (std::int64_t row = 0; row * weight.in < expected.elements(); ++row) {
      weight.format->unpack(weight, one.first_row + row, ours.data() + row * weight.in, *kernel_levels().front());
    }
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]) << i;
  }
  file.expect_all_used({});
}

// y = x Wᵀ of one row of activations, in float32.
std::vector<float> product_of(const Weight& weight, const std::vector<float>& x) {
  std::vector<float> y(static_cast<std::size_t>(weight.out));
  const Activations activations{.x = x.data(), .stride = weight.in, .q8 = std::nullopt};
  multiply_panels(weight, 0, weight.out, activations, nullptr, 1, y.data(), weight.out, *kernel_levels().front());
  return y;
}

// With an input of its own for every weight, sums are exact and tell which weights they are of.
TEST(Weights, RowsOfAStackAndSelectedRowsArePackedApart) {
  constexpr std::int64_t kStack = 3, kOut = 24, kIn = 40;
  std::vector<float> values(kStack * kOut * kIn);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const Directory directory(std::vector<StoredTensor>{{"stack.weight",
                                                       DType::f32,
                                                       {kStack, kOut, kIn},
                                                       reinterpret_cast<const std::byte*>(values.data()),
                                                       values.size() * 4}});
  std::vector<float> x(kIn);
  x[7] = 1;
  const auto expect_rows = [&](const Weight& weight, const std::vector<std::int64_t>& rows) {
    std::vector<float> expected;
    for (const std::int64_t row : rows) expected.push_back(values[static_cast<std::size_t>(row * kIn + 7)]);
    EXPECT_EQ(product_of(weight, x), expected);
  };
  const auto range = [](std::int64_t first, std::int64_t count) {
    std::vector<std::int64_t> rows;
    for (std::int64_t i = 0; i < count; ++i) rows.push_back(first + i);
    return rows;
  };
  WeightFile file(directory.path());
  PanelStore store;
  const Weight stack = file.table("stack", {kStack, kOut, kIn});
  const auto packed = [&](Weight weight) {
    store.pack(weight, nullptr);
    return weight;
  };
  for (std::int64_t i = 0; i < kStack; ++i) expect_rows(packed(stack.rows(i * kOut, kOut)), range(i * kOut, kOut));
  expect_rows(packed(stack.rows(kOut + 5, 17)), range(kOut + 5, 17));
  expect_rows(packed(stack.rows(kOut, kOut).rows(16, 8)), range(kOut + 16, 8));
  const std::vector<std::int64_t> some{70, 3, 3, 25};
  expect_rows(file.select(stack, some), some);
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Weights, PackingDoesNotDoubleTheMemory) {
  constexpr std::int64_t kOut = 16384, kIn = 2048, kBytes = kOut * kIn * 2;
  const Directory directory = [] {
    const auto values = std::make_unique<std::byte[]>(kBytes);
    const std::vector<StoredTensor> tensors{{"a.weight", DType::bf16, {kOut, kIn}, values.get(), kBytes}};
    return Directory(tensors);
  }();
  const std::int64_t before = resident_bytes();
  WeightFile file(directory.path());
  const Weight weight = file.linear("a", {kOut, kIn});
  EXPECT_NE(weight.panels.data, nullptr);
  EXPECT_GT(resident_bytes() - before, kBytes * 9 / 10);
  EXPECT_LT(resident_bytes() - before, kBytes * 5 / 4);
}

TEST(Weights, WrongShapesAreNamed) {
  const std::vector<std::uint32_t> codes(4 * 32);
  const std::vector<float> scales(4 * 8);
  const auto tensor = [](const char* name, DType dtype, std::vector<std::int64_t> shape, const auto& values) {
    return StoredTensor{name, dtype, std::move(shape), reinterpret_cast<const std::byte*>(values.data()),
                        values.size() * 4};
  };
  const std::vector<StoredTensor> tensors{
      tensor("a.weight", DType::u32, {4, 32}, codes), tensor("a.scales", DType::f32, {4, 8}, scales),
      tensor("a.biases", DType::f32, {4, 8}, scales), tensor("b.weight", DType::u32, {4, 32}, codes),
      tensor("c.weight", DType::f32, {4, 8}, scales), tensor("nobody.weight", DType::f32, {4, 8}, scales)};
  const Directory directory(tensors);
  WeightFile file(directory.path());
  EXPECT_EQ(file.linear("a", {4, 256}).bits, 4);
  const auto message = [&](const char* path, std::initializer_list<std::int64_t> shape) {
    try {
      file.linear(path, shape);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message("a", {8, 256}).find("[8, 256]"), std::string::npos);
  EXPECT_NE(message("a", {4, 100}).find("bits"), std::string::npos);
  EXPECT_NE(message("b", {4, 256}).find("stored as U32"), std::string::npos);
  EXPECT_NE(message("c", {4, 9}).find("has shape [4, 8], but config.json means [4, 9]"), std::string::npos);
  EXPECT_NE(message("d", {4, 9}).find("'d.weight' is missing"), std::string::npos);
  EXPECT_THROW(file.expect_all_used({}), Error);
  file.expect_all_used(std::vector<std::string>{"nobody"});

  const std::vector<StoredTensor> without{tensors[0], tensors[1]};
  const Directory half(without);
  WeightFile no_biases(half.path());
  EXPECT_THROW(
      {
        try {
          no_biases.linear("a", {4, 256});
        } catch (const Error& error) {
          EXPECT_NE(std::string(error.what()).find("'a.biases' is missing"), std::string::npos) << error.what();
          throw;
        }
      },
      Error);
}

// Damages one of the golden matrices, and says what opening it says.
std::string error_of(const std::string& name, std::vector<std::int64_t> shape,
                     const std::function<void(std::map<std::string, StoredTensor>& parts)>& damage) {
  const SafetensorsFile golden(std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/formats/formats.safetensors");
  std::map<std::string, StoredTensor> parts;
  for (const StoredTensor& tensor : tensors_of_goldens(golden)) {
    if (tensor.name.starts_with(name + ".") || tensor.name.starts_with(name + "_")) {
      parts.emplace(tensor.name.substr(name.size()), tensor);
    }
  }
  damage(parts);
  std::vector<StoredTensor> tensors;
  for (auto& [suffix, tensor] : parts) {
    tensor.name = name + suffix;
    tensors.push_back(tensor);
  }
  const Directory directory(tensors);
  WeightFile file(directory.path());
  try {
    file.linear(name, {shape[0], shape[1]});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Formats, WhatDoesNotFitIsNamed) {
  const auto expect = [](const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  };
  const auto nothing = [](auto&) {};
  const std::vector<std::byte> ones(4096, std::byte{0xff});
  const auto all_ones = [&](StoredTensor& tensor) { tensor.data = ones.data(); };
  expect(error_of("mxfp4_made", {4, 256}, nothing), {"no error"});
  expect(error_of("mxfp4_made", {4, 512}, nothing), {"MLX mxfp4", "[4, 512]", "[4, 32]", "[4, 64]"});
  expect(error_of("mxfp4_made", {4, 256}, [](auto& parts) { parts.at(".scales").dtype = DType::i8; }),
         {"'.scales' is I8", "expected U8"});
  expect(error_of("mxfp4_made", {4, 256}, [&](auto& parts) { all_ones(parts.at(".scales")); }),
         {"NaN", "mxfp4_made", "specdec-quant"});
  for (const char* name : {"mxfp4_made", "mxfp8_made", "nvfp4_made"}) {
    for (const char* suffix : {".weight", ".scales"}) {
      const auto scalar = [&](auto& parts) {
        parts.at(suffix).shape = {};
        parts.at(suffix).bytes = bytes_of(parts.at(suffix).dtype);
      };
      expect(error_of(name, {4, 256}, scalar), {"MLX mxfp4", "has shape [", "expected [4, "});
    }
    // Words of which 32 times as many are as few as there should be, in 64 bits.
    const auto empty = [&](auto& parts) {
      parts.at(".weight").shape = {0, (std::int64_t{1} << 61) + parts.at(".weight").shape.back()};
      parts.at(".weight").bytes = 0;
    };
    expect(error_of(name, {4, 256}, empty), {"MLX mxfp4", ".weight", "expected [4, 32]"});
  }
  expect(error_of("nvfp4_made", {4, 256}, [&](auto& parts) { all_ones(parts.at(".scales")); }), {"NaN"});
  expect(error_of("mxfp8_made", {4, 256}, [&](auto& parts) { all_ones(parts.at(".weight")); }), {"NaN"});
  expect(error_of("int4_g32", {4, 512}, nothing), {"pack-quantized", "weight_shape is [4, 256]"});
  expect(error_of("int4_g32", {4, 256}, [](auto& parts) { parts.erase(".weight_scale"); }), {"0 scales"});
  for (const char* suffix : {".weight_zero_point", ".weight_g_idx"}) {
    expect(error_of("int4_g32", {4, 256}, [&](auto& parts) { parts[suffix] = parts.at(".weight_scale"); }),
           {suffix, "cannot be read yet"});
  }
  expect(error_of("nvfp4_packed", {4, 256}, [](auto& parts) { parts.erase(".weight_scale"); }),
         {"nvfp4-pack-quantized", "'nvfp4_packed.weight_scale' is missing"});
  const std::array<float, 4> bad{0, -1, std::numeric_limits<float>::infinity(),
                                 std::numeric_limits<float>::quiet_NaN()};
  for (const float& scale : bad) {
    const auto damage = [&](auto& parts) {
      parts.at(".weight_global_scale").data = reinterpret_cast<const std::byte*>(&scale);
    };
    expect(error_of("nvfp4_packed", {4, 256}, damage), {"weight_global_scale", "expected a number above 0"});
  }
  expect(error_of("nvfp4_modelopt", {4, 256}, [](auto& parts) { parts.at(".weight_scale_2") = parts.at(".weight"); }),
         {"ModelOpt", ".weight_scale_2", "expected one number"});
  expect(error_of("fp8_block_f32", {256, 256}, [](auto& parts) { parts.erase(".weight_scale_inv"); }),
         {"FP8", "weight_scale_inv' is missing"});
  expect(error_of("fp8_row", {4, 256}, [](auto& parts) { parts.at(".weight_scale") = parts.at(".expected"); }),
         {"FP8", "'.weight_scale' has shape [4, 256], expected [4, 1]"});
}

// The format of weights that say by themselves what is wrong with them.
QuantFormat failing_format() {
  QuantFormat format{};
  format.name = "failing";
  format.pack = [](const Weight& weight, std::int64_t first, std::int64_t, std::byte*) {
    if (first < weight.group) return;
    if (weight.bits == 0) throw std::bad_alloc();
    std::this_thread::sleep_for(std::chrono::milliseconds(first == weight.group ? 20 : 0));
    throw Error("panel {}", first / kPanel);
  };
  return format;
}

TEST(PackPanels, WhatFailsFirstIsToldWhateverTheThreadsDo) {
  const QuantFormat format = failing_format();
  Weight weight;
  weight.format = &format;
  weight.out = 64 * kPanel;
  weight.group = 3 * kPanel;
  Pool pool(4);
  for (Pool* by : {static_cast<Pool*>(nullptr), &pool}) {
    PackJob job{&weight, nullptr};
    weight.bits = 4;
    expect_error([&] { pack_panels({&job, 1}, by); }, {"panel 3"});
    weight.bits = 0;
    expect_error([&] { pack_panels({&job, 1}, by); }, {"no memory"});
  }
}

TEST(Weights, ThoseInMemoryAreOnlyLookedAt) {
  const std::vector<float> values(64, 1);
  const StoredTensor tensor{"a.weight", DType::f32, {2, 32}, std::as_bytes(std::span(values)).data(), 256};
  WeightFile file(std::vector{tensor});
  EXPECT_FALSE(file.packs());
  const Weight weight = file.linear("a", {2, 32});
  EXPECT_EQ(weight.panels.data, nullptr);
  file.fetch(weight);
  file.release(weight);
  EXPECT_EQ(file.find_not_finite(), "");
}

TEST(QuantFormats, EachSaysWhatItIs) {
  for (const QuantFormat& format : quant_formats()) {
    EXPECT_FALSE(format.name.empty());
    EXPECT_FALSE(format.summary.empty()) << format.name;
  }
}

}  // namespace
}  // namespace specdec

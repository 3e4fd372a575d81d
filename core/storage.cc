#include "core/storage.h"

#include <array>

#include "core/error.h"

namespace specdec {
namespace {

std::int64_t pieces(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

}  // namespace

std::int64_t Storage::bytes(std::span<const std::int64_t> shape) const {
  const std::int64_t in = shape.empty() ? 1 : shape.back();
  const std::int64_t out = shape.size() < 2 ? 1 : shape[shape.size() - 2];
  std::int64_t matrices = 1;
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) matrices *= shape[i];
  const std::int64_t codes = out * pieces(in * bits, 8);
  const std::int64_t blocks = group == 0 ? 0 : pieces(out, rows) * pieces(in, group);
  return matrices * (codes + blocks * scale_bytes);
}

Storage parse_storage(std::string_view name) {
  static const std::array kNamed{
      Storage{"f32", 32},
      Storage{"f16", 16},
      Storage{"bf16", 16},
      Storage{.name = "mxfp4", .bits = 4, .group = 32, .scale_bytes = 1},
      Storage{.name = "mxfp8", .bits = 8, .group = 32, .scale_bytes = 1},
      Storage{.name = "nvfp4", .bits = 4, .group = 16, .scale_bytes = 1},
      Storage{.name = "int4g32", .bits = 4, .group = 32, .scale_bytes = 2},
      Storage{.name = "fp8", .bits = 8, .group = 128, .rows = 128, .scale_bytes = 4},
  };
  for (const Storage& storage : kNamed) {
    if (storage.name == name) return storage;
  }
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) {
      if (name == fmt::format("affine{}g{}", bits, group)) {
        return {.name = std::string(name), .bits = bits, .group = group, .scale_bytes = 4};
      }
    }
  }
  throw UsageError(
      "no weight format is called '{}'; there are: f32, f16, bf16, mxfp4, mxfp8, nvfp4, int4g32, fp8, and "
      "affine<bits>g<group> with 2, 3, 4, 5, 6 or 8 bits and groups of 32, 64 or 128, such as affine4g64",
      name);
}

}  // namespace specdec

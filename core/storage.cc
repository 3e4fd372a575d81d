#include "core/storage.h"

#include "core/encode.h"
#include "core/kinds.h"

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
  static const std::vector<Storage> known = [] {
    std::vector<Storage> all;
    for (const Encoding& encoding : encodings()) {
      Storage& storage = all.emplace_back(Storage{.name = encoding.name, .bits = encoding.bits});
      if (!encoding.quantised()) continue;
      storage.group = encoding.group;
      storage.scale_bytes =
          static_cast<int>(encoding.row_bytes(encoding.group, DType::bf16)) - encoding.group * encoding.bits / 8;
    }
    all.push_back({.name = "int4g32", .bits = 4, .group = 32, .scale_bytes = 2});
    all.push_back({.name = "fp8", .bits = 8, .group = 128, .rows = 128, .scale_bytes = 4});
    return all;
  }();
  return find_kind<Storage>(known, "weight format", name);
}

}  // namespace specdec

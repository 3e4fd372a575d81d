// libFuzzer: the tensors of any safetensors file are weights in one of the formats, unpacked and packed, or an Error of
// one line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/files/safetensors.h"
#include "core/panel_store.h"
#include "core/weights.h"
#include "tests/fuzz/expect_line.h"

namespace specdec {
namespace {

void read(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  Weight weight = file.table(path, shape);
  SPECDEC_ASSERT(weight.in == shape.back());
  std::vector<float> values(static_cast<std::size_t>(weight.in));
  for (std::int64_t row = 0; row < weight.out; ++row)
    weight.format->unpack(weight, row, values.data(), *kernel_levels().front());
  weight.panels = weight.format->panels(weight);
  std::vector<std::byte> panels(static_cast<std::size_t>(packed_bytes(weight)));
  PackJob job{&weight, panels.data()};
  pack_panels({&job, 1}, nullptr);
}

void read_all(std::span<const std::byte> bytes) {
  std::vector<std::unique_ptr<std::byte[]>> copies;  // aligned, and each as long as its tensor
  std::vector<StoredTensor> tensors;
  std::set<std::string> paths;
  for (auto& [name, tensor] : parse_safetensors(bytes, "fuzz")) {
    auto& copy = copies.emplace_back(std::make_unique_for_overwrite<std::byte[]>(tensor.bytes));
    std::copy_n(tensor.data, tensor.bytes, copy.get());
    tensors.push_back(tensor);
    tensors.back().data = copy.get();
    paths.insert({name, name.substr(0, name.rfind('.')), name.substr(0, name.rfind('_'))});
  }
  WeightFile file(std::move(tensors));
  for (const std::string& path : paths) {
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 32}, {1, 2, 32}})
      expect_line([&] { read(file, path, shape); });
  }
}

}  // namespace
}  // namespace specdec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  specdec::expect_line([&] { specdec::read_all(std::as_bytes(std::span(data, size))); });
  return 0;
}

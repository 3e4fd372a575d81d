// MXFP4 as gpt-oss stores its experts: `path`_blocks, two E2M1 in a byte, 16 bytes for each group of 32, and
// `path`_scales, a power of two for each group. https://github.com/openai/gpt-oss
#include "core/fp4.h"
#include "core/stored_parts.h"

namespace specdec {
namespace {

constexpr std::int64_t kGroup = 32;

std::optional<Weight> open(WeightFile& file, const std::string& path, std::span<const std::int64_t> shape) {
  if (!file.has(path + "_blocks")) return std::nullopt;
  StoredParts parts(file, path, shape, "MXFP4 in blocks");
  parts.expect_inputs_of(kGroup);
  std::vector<std::int64_t> blocks = parts.shape_ending(parts.in() / kGroup);
  blocks.push_back(kGroup / 2);
  Weight weight = parts.weight(parts.get("_blocks", {DType::u8}, blocks));
  weight.scales = parts.rows(parts.get("_scales", {DType::u8}, parts.shape_ending(parts.in() / kGroup)));
  return weight;
}

Panels panels(const Weight& weight) { return fp4_panels(weight.in, DType::f8_e8m0, kGroup); }

}  // namespace

QuantFormat quant_mxfp4_blocks() {
  return coded_format<panels, read_stored>("mxfp4_blocks", "gpt-oss MXFP4: E2M1, a power of two for each 32", open);
}

}  // namespace specdec

#include "experiments/quantization_block.h"

#include <algorithm>

#include "core/files/json.h"

namespace specdec {
namespace {

nlohmann::json parameters(const Encoding& encoding) {
  return {{"group_size", encoding.group}, {"bits", encoding.bits}, {"mode", encoding.mode}};
}

}  // namespace

std::string with_quantization(std::string_view config, const std::string& origin, const Encoding& rest,
                              std::span<const WrittenMatrix> matrices) {
  nlohmann::json json = parse_json(config, origin);
  for (const char* key : {"quantization", "quantization_config", "compression_config"}) json.erase(key);
  const auto quantised = [](const WrittenMatrix& matrix) { return matrix.encoding->quantised(); };
  const auto first = std::ranges::find_if(matrices, quantised);
  if (first != matrices.end()) {
    const Encoding& rule = rest.quantised() ? rest : *first->encoding;
    nlohmann::json block = parameters(rule);
    for (const WrittenMatrix& matrix : matrices) {
      if (matrix.encoding == &rule) continue;
      block[matrix.path] = quantised(matrix) ? parameters(*matrix.encoding) : nlohmann::json(false);
    }
    json["quantization"] = json["quantization_config"] = block;
  }
  return json.dump(2) + "\n";
}

}  // namespace specdec

// What tests/tiny_checkpoint.cc needs to write its glm4_moe in GGUF.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/files/stored_tensor.h"
#include "core/rng.h"

namespace specdec {

// The element type of a format of core/quant whose weights stand in blocks; nothing for all others.
std::optional<DType> block_type(std::string_view format);

// Random blocks whose values are of about the size of `spread`.
std::vector<std::byte> random_blocks(DType dtype, std::int64_t elements, double spread, const Rng& rng);

// Tensors, by the names that transformers gives them, with the metadata of this config.json.
void write_tiny_gguf(const std::filesystem::path& path, std::span<const StoredTensor> tensors,
                     const nlohmann::json& config);

}  // namespace specdec

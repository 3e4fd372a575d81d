// What the metadata of a GGUF file mean in the words of transformers: the keys of config.json and the names of tensors.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/files/gguf.h"

namespace specdec {

// A tensor by its name in the file; null if there is none.
using GgufFind = std::function<const StoredTensor*(const std::string& name)>;

// Throws Error for an architecture that is not read, for a key that is missing, and for one that is not known: it might
// change what the model computes.
std::string gguf_config(const GgufMetadata& metadata, const GgufFind& find);

// Nothing for a tensor that gguf_config has taken in. Throws Error if none is known.
std::optional<std::string> transformers_name(const std::string& name, const GgufMetadata& metadata,
                                             const GgufFind& find);

// How many heads the rows of this tensor are, if they stand as llama.cpp's interleaved rotation wants them: of each
// head the first row of the lower half, the first of the upper half, the second of the lower half, …; 0 if they do not.
std::int64_t interleaved_heads(const std::string& name, const GgufMetadata& metadata);

}  // namespace specdec

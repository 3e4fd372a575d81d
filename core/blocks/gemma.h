// What the two spellings of Gemma 3 share: gemma3_text, and gemma3 with the text model inside.
#pragma once

#include "core/blocks/decoder.h"

namespace specdec {

// config: of the text model.
DecoderSpec read_gemma3(const ConfigReader& config);

}  // namespace specdec

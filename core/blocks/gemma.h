// What the two spellings of Gemma 3 share: gemma3_text, and gemma3 with the text model inside.
#pragma once

#include "core/blocks/decoder.h"

namespace specdec {

// What config.json says of the text model, with what published ones of gemma3 leave to the class.
ConfigReader gemma3_text(const ConfigReader& config);

// config: of the text model.
DecoderSpec read_gemma3(const ConfigReader& config);

}  // namespace specdec

// Gemma 3, the text model alone (arXiv 2503.19786). transformers: models/gemma3.
#include "core/blocks/gemma.h"

namespace specdec {

Architecture arch_gemma3_text() { return decoder_architecture<read_gemma3>("gemma3_text", "Gemma 3, dense"); }

}  // namespace specdec

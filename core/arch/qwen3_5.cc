// Qwen3.5, dense, with or without a vision tower, which is left out. transformers: models/qwen3_5.
#include "core/blocks/qwen_hybrid.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) { return read_qwen_hybrid(config, DeltaLayout::flat); }

}  // namespace

Architecture arch_qwen3_5() { return decoder_architecture<read>("qwen3_5", "Qwen3.5, recurrent, dense"); }

}  // namespace specdec

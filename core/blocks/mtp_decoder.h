// The multi-token-prediction head of DeepSeek-V3 (arXiv 2412.19437, section 2.2): as it and GLM-4.5 store it, layer
// num_hidden_layers with enorm, hnorm, eh_proj, a full decoder layer and shared_head.norm; or as MtpSpec says.
#pragma once

#include "core/blocks/decoder_layer.h"

namespace specdec {

// Null if the file does not hold it (MLX conversions drop it). embedding and head are the target's; its own
// copies are used when stored. shared_head.d2t, if stored, restricts the head to the rows i + d2t[i] (EAGLE-3's
// map).
std::unique_ptr<DraftHead> load_mtp(std::shared_ptr<WeightFile> file, ExpertStore& experts, const DecoderSpec& spec,
                                    const Weight& embedding, const Weight& head, const Engine& engine);

}  // namespace specdec

// Mixtral (arXiv 2401.04088): a few wide experts, a softmax over the chosen ones. transformers: models/mixtral.
#include "core/blocks/decoder.h"

namespace specdec {
namespace {

DecoderSpec read(const ConfigReader& config) {
  DecoderSpec spec = read_decoder(config, {.rms_norm_eps = 1e-5, .rope_theta = 1e6});
  read_windows(config, spec);
  spec.other_names = {spec.names};  // transformers' own
  spec.names.feed_forward = "block_sparse_moe";
  spec.moe.names = {.gate = "w1", .up = "w3", .down = "w2"};
  read_experts(config, config.first_of({"num_local_experts", "num_experts"}), spec, "intermediate_size");
  spec.routed.assign(spec.routed.size(), true);
  return spec;
}

}  // namespace

Architecture arch_mixtral() { return decoder_architecture<read>("mixtral", "Mixtral, mixture of experts"); }

}  // namespace specdec

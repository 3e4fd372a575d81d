// One pre-norm layer: x += attention(norm(x)); x += feed_forward(norm(x)). Also the block inside an MTP head.
#pragma once

#include "core/blocks/decoder.h"

namespace specdec {

struct DecoderLayer {
  std::vector<float> attention_norm, ffn_norm;
  Attention attention;
  std::optional<Swiglu> dense;  // one of the two
  std::optional<Moe> moe;
};

DecoderLayer load_decoder_layer(WeightFile& file, ExpertStore& experts, const DecoderSpec& spec, int layer,
                                bool routed);

// Rows appended to a state, ready for the layers: angles of their positions, room for the residual stream.
struct Pass {
  const Engine& engine;
  const DecoderSpec& spec;
  KvState& state;
  std::span<const RowView> rows;
  float* x;  // (rows, hidden), the residual stream

  std::int64_t count() const { return static_cast<std::int64_t>(rows.size()); }
};
Pass begin_pass(const Engine& engine, const DecoderSpec& spec, const Batch& batch, KvState& state);

// layer: where its keys lie in the state, and its number in the router trace.
void run_layer(Pass& pass, const DecoderLayer& weights, int layer);

// out (rows, hidden) = norm(x) * w. Throws Error if a row is not finite, naming the damaged tensor if there is one.
void final_norm(const Pass& pass, const std::vector<float>& w, const WeightFile& file, float* out);

// Rows of an embedding as float32, (rows, hidden).
void embed(const Engine& engine, const Weight& embedding, std::span<const TokenId> tokens, float* out);

// logits (rows, head.out) from normed (rows, hidden), in the state's buffers.
MatView head_logits(const Pass& pass, const Weight& head, const float* normed, std::int64_t rows);

}  // namespace specdec

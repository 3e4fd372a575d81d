// What a pass through a decoder is made of, for models and for heads that have a layer of one.
#pragma once

#include "core/blocks/decoder.h"

namespace specdec {

// An empty state of these layers, numbered from 0.
std::unique_ptr<DecoderState> new_state_of(std::span<const DecoderLayer> layers, const Engine& engine, int capacity);

Pass begin_pass(const Engine& engine, const DecoderSpec& spec, const Batch& batch, DecoderState& state);

// layer: where what it keeps lies in the state, and its number in the router trace.
void run_layer(const Pass& pass, const DecoderLayer& weights, int layer);

// out (rows, hidden) = norm(x) * w. Throws Error if a row is not finite, naming the damaged tensor if there is one.
void final_norm(const Pass& pass, const std::vector<float>& w, const WeightFile& file, float* out);

// Rows of an embedding as float32, (rows, hidden).
void embed(const Engine& engine, const Weight& embedding, std::span<const TokenId> tokens, float* out);

// logits (rows, head.out) from normed (rows, hidden), in the state's buffers.
MatView head_logits(const Pass& pass, const Weight& head, const float* normed, std::int64_t rows);

}  // namespace specdec

#include "core/blocks/decoder_layer.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

void norm_rows(const Pass& pass, const float* x, const std::vector<float>& w, float* out) {
  const int hidden = pass.spec.hidden;
  constexpr std::int64_t kLeastElements = 16384;
  pass.engine.pool().for_each_if_worth(pass.count() * hidden, kLeastElements, pass.count(), [&](std::int64_t row) {
    pass.engine.kernels().rms_norm(x + row * hidden, w.data(), hidden, pass.spec.eps, out + row * hidden);
  });
}

}  // namespace

DecoderLayer load_decoder_layer(WeightFile& file, ExpertStore& experts, const DecoderSpec& spec, int layer,
                                bool routed) {
  const std::string path = fmt::format("model.layers.{}", layer);
  DecoderLayer weights;
  weights.attention_norm = file.vector(path + ".input_layernorm.weight", spec.hidden);
  weights.ffn_norm = file.vector(path + ".post_attention_layernorm.weight", spec.hidden);
  weights.attention = load_attention(file, path + ".self_attn", spec.attention, spec.hidden);
  if (routed) {
    weights.moe = load_moe(file, experts, layer, path + ".mlp", spec.moe, spec.hidden);
  } else {
    weights.dense = load_swiglu(file, path + ".mlp", spec.hidden, spec.intermediate, spec.mlp_bias);
  }
  return weights;
}

Pass begin_pass(const Engine& engine, const DecoderSpec& spec, const Batch& batch, KvState& state) {
  SPECDEC_ASSERT(state.kv_heads() == spec.attention.kv_heads && state.layout().head_dim == spec.attention.head_dim);
  engine.begin_profile();
  const std::span<const RowView> rows = state.append(batch);
  const auto count = static_cast<std::int64_t>(rows.size());
  PassBuffers& buffers = state.buffers();
  const int half = spec.attention.rope.dims / 2;
  float* cosines = buffers.cosines.get(count * half);
  float* sines = buffers.sines.get(count * half);
  for (std::int64_t i = 0; i < count; ++i) {
    rope_angles(spec.attention.rope, rows[static_cast<std::size_t>(i)].position(), cosines + i * half,
                sines + i * half);
  }
  buffers.routed.clear();
  return {engine, spec, state, rows, buffers.x.get(count * spec.hidden)};
}

void run_layer(Pass& pass, const DecoderLayer& weights, int layer) {
  SPECDEC_ASSERT(layer < pass.state.layers());
  PassBuffers& buffers = pass.state.buffers();
  const int hidden = pass.spec.hidden;
  float* normed = buffers.normed.get(pass.count() * hidden);
  norm_rows(pass, pass.x, weights.attention_norm, normed);
  pass.engine.lap(Part::norms);
  attend(pass.engine, pass.spec.attention, weights.attention, layer, normed, pass.rows, hidden, pass.state, pass.x);
  pass.engine.lap(Part::attention);
  norm_rows(pass, pass.x, weights.ffn_norm, normed);
  pass.engine.lap(Part::norms);
  if (weights.moe && pass.spec.moe.experts_per_token == 0) {
    if (weights.moe->shared) {
      feed_forward(pass.engine, *weights.moe->shared, normed, pass.count(), hidden, buffers, pass.x);
    }
    pass.engine.lap(Part::shared);
  } else if (weights.moe) {
    feed_forward(pass.engine, pass.spec.moe, *weights.moe, layer, normed, pass.count(), hidden, buffers, pass.x);
  } else {
    feed_forward(pass.engine, *weights.dense, normed, pass.count(), hidden, buffers, pass.x);
    pass.engine.lap(Part::dense);
  }
}

void final_norm(const Pass& pass, const std::vector<float>& w, const WeightFile& file, float* out) {
  const int hidden = pass.spec.hidden;
  for (std::int64_t i = 0; i < pass.count(); ++i) {
    const float mean =
        pass.engine.kernels().rms_norm(pass.x + i * hidden, w.data(), hidden, pass.spec.eps, out + i * hidden);
    if (std::isfinite(mean)) continue;
    file.check_unchanged();
    const std::string damaged = file.find_not_finite();
    const std::string_view of_cache =
        pass.state.layout().type == KvType::f16 ? ", or keys or values float16 (then --cache f32 helps)" : "";
    throw Error(
        "{}: the hidden state at position {} is not finite: {}", file.directory().string(),
        pass.rows[static_cast<std::size_t>(i)].position(),
        damaged.empty()
            ? fmt::format("the activations overflow float32{}; is this the right config.json for these weights?",
                          of_cache)
            : fmt::format("tensor '{}' holds NaN or infinite values; the file is damaged", damaged));
  }
  pass.engine.lap(Part::norms);
}

void embed(const Engine& engine, const Weight& embedding, std::span<const TokenId> tokens, float* out) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const int id = index(tokens[i]);
    if (id < 0 || id >= embedding.out) {
      throw Error(
          "token id {} is outside the model's vocabulary of {} ids; was the text encoded with another model's "
          "tokenizer?",
          id, embedding.out);
    }
    embedding.format->unpack(embedding, id, out + static_cast<std::int64_t>(i) * embedding.in, engine.kernels());
  }
  engine.lap(Part::embedding);
}

MatView head_logits(const Pass& pass, const Weight& head, const float* normed, std::int64_t rows) {
  if (rows == 0) return MatView(nullptr, 0, 0);
  PassBuffers& buffers = pass.state.buffers();
  float* logits = buffers.logits.get(rows * head.out);
  Product product{&head,   activate(pass.engine, normed, rows, pass.spec.hidden, buffers.activations),
                  nullptr, rows,
                  logits,  head.out};
  multiply(pass.engine, {&product, 1});
  pass.engine.lap(Part::head);
  return MatView(logits, rows, head.out);
}

}  // namespace specdec

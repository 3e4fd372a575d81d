#include "core/blocks/decoder_layer.h"

#include <algorithm>
#include <cmath>

#include "core/blocks/norm.h"
#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {

DecoderLayer load_decoder_layer(const LayerFile& at,
                                const std::function<std::unique_ptr<Block>(const LayerFile&)>& attention) {
  DecoderLayer layer;
  layer.sublayers.push_back({load_norm(at, "input_layernorm"), {}, attention(at)});
  layer.sublayers.push_back({load_norm(at, "post_attention_layernorm"), {}, load_feed_forward(at)});
  return layer;
}

std::vector<float> load_norm(const LayerFile& at, const std::string& name) {
  return load_norm(at.file, fmt::format("{}.{}.weight", at.path, name), at.spec.hidden, at.spec.zero_centred);
}

std::unique_ptr<Block> load_attention(const LayerFile& at) {
  return std::make_unique<Attention>(at.file, at.path + ".self_attn", at.spec.attention_of(at.layer), at.spec.hidden);
}

std::unique_ptr<Block> load_feed_forward(const LayerFile& at) {
  const DecoderSpec& spec = at.spec;
  const std::string path = fmt::format("{}.{}", at.path, spec.names.feed_forward);
  if (at.routed) {
    return std::make_unique<MoeBlock>(load_moe(at.file, at.experts, at.layer, path, spec.moe, spec.hidden));
  }
  if (spec.intermediate < 1) {
    throw Error("{}: 'intermediate_size' of config.json is 0 or missing; expected the width of {}",
                at.file.directory().string(), path);
  }
  return std::make_unique<DenseBlock>(
      load_swiglu(at.file, path, spec.hidden,
                  {.width = spec.intermediate, .biased = spec.mlp_bias, .activation = spec.activation}));
}

std::unique_ptr<DecoderState> new_state_of(std::span<const DecoderLayer> layers, const Engine& engine, int capacity) {
  return make_state(static_cast<int>(layers.size()), capacity, [&](int layer) {
    std::unique_ptr<LayerCache> cache;
    for (const Sublayer& sublayer : layers[static_cast<std::size_t>(layer)].sublayers) {
      std::unique_ptr<LayerCache> kept = sublayer.block->new_cache(engine, capacity);
      if (kept == nullptr) continue;
      SPECDEC_ASSERT(cache == nullptr);  // one of a layer's blocks looks at other positions
      cache = std::move(kept);
    }
    return cache;
  });
}

void Pass::rotate(int rope, std::int64_t row, float* head) const {
  const auto i = static_cast<std::size_t>(rope);
  specdec::rotate(spec.ropes[i], buffers().angles[i].data() + row * spec.ropes[i].dims, head);
}

Pass begin_pass(const Engine& engine, const DecoderSpec& spec, const Batch& batch, DecoderState& state) {
  engine.begin_profile();
  const std::span<const RowView> rows = state.append(batch);
  const auto count = static_cast<std::int64_t>(rows.size());
  PassBuffers& buffers = state.buffers();
  buffers.angles.resize(spec.ropes.size());
  for (std::size_t i = 0; i < spec.ropes.size(); ++i) {
    const Rope& rope = spec.ropes[i];
    float* angles = buffers.angles[i].get(count * rope.dims);
    for (std::int64_t row = 0; row < count; ++row) {
      rope_angles(rope, rows[static_cast<std::size_t>(row)].position(), angles + row * rope.dims);
    }
  }
  buffers.routed.clear();
  return {engine, spec, state, rows, state.parents().last(rows.size()), buffers.x.get(count * spec.hidden)};
}

void run_layer(const Pass& pass, const DecoderLayer& weights, int layer) {
  SPECDEC_ASSERT(layer < pass.state.layers());
  PassBuffers& buffers = pass.buffers();
  const std::int64_t size = pass.count() * pass.spec.hidden;
  float* normed = buffers.normed.get(size);
  for (const Sublayer& sublayer : weights.sublayers) {
    norm_rows(pass.engine, pass.x, pass.count(), sublayer.norm, pass.spec.eps, normed);
    pass.engine.lap(Part::norms);
    if (sublayer.post_norm.empty()) {
      sublayer.block->add(pass, layer, normed, pass.x);
      continue;
    }
    float* step = buffers.step.get(size);
    std::fill_n(step, size, 0.0f);
    sublayer.block->add(pass, layer, normed, step);
    norm_rows(pass.engine, step, pass.count(), sublayer.post_norm, pass.spec.eps, step);
    for (std::int64_t i = 0; i < size; ++i) pass.x[i] += step[i];
    pass.engine.lap(Part::norms);
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
        pass.engine.cache() == KvType::f16 ? ", or keys or values float16 (then --cache f32 helps)" : "";
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
  if (const float cap = pass.spec.logit_softcap; cap > 0) {
    for (std::int64_t i = 0; i < rows * head.out; ++i) logits[i] = cap * std::tanh(logits[i] / cap);
  }
  pass.engine.lap(Part::head);
  return MatView(logits, rows, head.out);
}

}  // namespace specdec

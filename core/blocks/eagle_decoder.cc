#include <algorithm>
#include <cmath>

#include "core/blocks/decoder_layer.h"
#include "core/eagle_files.h"
#include "core/error.h"
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

class EagleDecoder : public DraftHead {
 public:
  EagleDecoder(EagleParts parts, const Engine& engine) : w_(std::move(parts)), engine_(engine) {}

  std::unique_ptr<State> new_state(int capacity) const override {
    return make_state(1, capacity, [&](int) { return w_.attention->new_cache(engine_, capacity); });
  }
  std::span<const int> taps() const override { return w_.taps; }
  int hidden() const override { return w_.spec.hidden; }
  std::span<const TokenId> head_tokens() const override { return w_.tokens; }
  const WeightBytes& bytes() const override { return w_.bytes; }
  std::int64_t joining_bytes() const override { return w_.joins_layers ? w_.fc.bytes() : 0; }
  std::string about() const override { return w_.about; }

  Output forward(const Batch& batch, const MatView& states, HeadStates whose, State& state,
                 LogitRows logits) const override {
    SPECDEC_ASSERT(states.rows() == static_cast<Eigen::Index>(batch.tokens.size()));
    const Pass pass = begin_pass(engine_, w_.spec, batch, static_cast<DecoderState&>(state));
    PassBuffers& buffers = pass.buffers();
    const std::int64_t size = w_.spec.hidden;
    if (buffers.taps.empty()) buffers.taps.resize(1);
    float* embedded = buffers.taps.front().get(pass.count() * size);
    embed(engine_, w_.embedding, batch.tokens, embedded);
    const std::int64_t read = w_.attention->reads();
    float* normed = buffers.normed.get(pass.count() * std::max(read, size));
    if (w_.joins_layers) {
      begin_eagle3(pass, embedded, states, whose, normed);
    } else {
      begin_eagle(pass, embedded, states, normed);
    }
    engine_.lap(Part::embedding);
    w_.attention->add(pass, 0, normed, pass.x);
    for (std::int64_t i = 0; i < pass.count(); ++i) norm(pass.x + i * size, w_.ffn_norm, normed + i * size);
    feed_forward(engine_, w_.ffn, normed, pass.count(), w_.spec.hidden, buffers, pass.x);
    engine_.lap(Part::dense);

    const float* said = pass.x;
    if (w_.joins_layers) {
      final_norm(pass, w_.output_norm, *w_.file, embedded);
      said = embedded;
    } else {
      expect_finite(pass);
    }
    buffers.tapped.clear();
    buffers.tapped.emplace_back(pass.x, pass.count(), size);
    const std::int64_t unread = logits == LogitRows::all ? 0 : pass.count() - (logits == LogitRows::last ? 1 : 0);
    return {head_logits(pass, w_.head, said + unread * size, pass.count() - unread), buffers.tapped, buffers.routed};
  }

 private:
  void norm(const float* x, const std::vector<float>& weights, float* out) const {
    engine_.kernels().rms_norm(x, weights.data(), static_cast<std::int64_t>(weights.size()), w_.spec.eps, out);
  }

  // x (rows, hidden) = fc(joined).
  void join(const Pass& pass, const float* joined) const {
    const std::int64_t size = w_.spec.hidden;
    Product product{&w_.fc,  activate(engine_, joined, pass.count(), w_.fc.in, pass.state.buffers().activations),
                    nullptr, pass.count(),
                    pass.x,  size};
    multiply(engine_, {&product, 1});
    for (std::int64_t i = 0; i < pass.count(); ++i) add_bias(w_.fc_bias, 0, size, pass.x + i * size);
  }

  // x = the state; normed (rows, 2 hidden) = embedding and state, each with a norm of its own.
  void begin_eagle3(const Pass& pass, const float* embedded, const MatView& states, HeadStates whose,
                    float* normed) const {
    const std::int64_t size = w_.spec.hidden;
    SPECDEC_ASSERT(states.cols() == (whose == HeadStates::carried ? size : w_.fc.in));
    if (whose == HeadStates::carried) {
      std::copy_n(states.data(), pass.count() * size, pass.x);
    } else if (w_.input_norm.empty()) {
      join(pass, states.data());
    } else {
      float* joined = pass.state.buffers().joined.get(pass.count() * w_.fc.in);
      for (std::int64_t i = 0; i < pass.count(); ++i)
        norm(states.data() + i * w_.fc.in, w_.input_norm, joined + i * w_.fc.in);
      join(pass, joined);
    }
    for (std::int64_t i = 0; i < pass.count(); ++i) {
      float* row = normed + 2 * i * size;
      norm(embedded + i * size, w_.embedding_norm, row);
      norm(pass.x + i * size, w_.hidden_norm, row + size);
      if (w_.norm_before_residual) std::copy_n(row + size, size, pass.x + i * size);
    }
  }

  // x = fc of embedding and state, which its layer reads as it is.
  void begin_eagle(const Pass& pass, const float* embedded, const MatView& states, float* normed) const {
    const std::int64_t size = w_.spec.hidden;
    SPECDEC_ASSERT(states.cols() == size);
    float* joined = pass.state.buffers().joined.get(pass.count() * 2 * size);
    for (std::int64_t i = 0; i < pass.count(); ++i) {
      std::copy_n(embedded + i * size, size, joined + 2 * i * size);
      std::copy_n(states.data() + i * size, size, joined + (2 * i + 1) * size);
    }
    join(pass, joined);
    std::copy_n(pass.x, pass.count() * size, normed);
  }

  void expect_finite(const Pass& pass) const {
    const float* end = pass.x + pass.count() * w_.spec.hidden;
    if (std::all_of(static_cast<const float*>(pass.x), end, [](float value) { return std::isfinite(value); })) return;
    throw Error("{}: a state of the head is not finite; is this the right config.json for these weights?",
                w_.file->directory().string());
  }

  EagleParts w_;
  const Engine& engine_;
};

}  // namespace

std::unique_ptr<DraftHead> load_eagle(const std::filesystem::path& path, const Model& target, Engine& engine) {
  return std::make_unique<EagleDecoder>(open_eagle(path, target, engine), engine);
}

}  // namespace specdec

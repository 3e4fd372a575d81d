#include "core/blocks/mtp_decoder.h"

#include <algorithm>
#include <utility>

#include "core/blocks/norm.h"
#include "core/draft_ids.h"
#include "core/error.h"
#include "core/inventory.h"
#include "core/kernels/kernels.h"

namespace specdec {
namespace {

// As DeepSeek-V3 and GLM-4.5 store it: a decoder layer behind the others, with what is its own beside that.
MtpSpec deepseek_mtp(const WeightFile& file, const DecoderSpec& spec) {
  const std::string path = fmt::format("{}.{}.{}", spec.names.root, spec.names.layers, spec.info.layers);
  const auto load_layer = [routed = file.has_prefix(path + ".mlp.gate.")](const LayerFile& at) {
    LayerFile layer = at;
    layer.routed = routed;
    return at.spec.load_layer(layer);
  };
  return {path, path + ".enorm", path + ".hnorm", path + ".eh_proj", path + ".shared_head.norm", load_layer};
}

class MtpDecoder : public DraftHead {
 public:
  MtpDecoder(std::shared_ptr<WeightFile> file, ExpertStore& experts, const DecoderSpec& spec, const MtpSpec& mtp,
             const Weight& embedding, const Weight& head, const Engine& engine)
      : file_(std::move(file)),
        spec_(spec),
        engine_(engine),
        embedding_(embedding),
        head_(head),
        last_layer_(spec.info.layers - 1) {
    WeightFile& weights = *file_;
    const std::string& path = mtp.root;
    const auto norm = [&](const std::string& name) {
      return load_norm(weights, name + ".weight", spec.hidden, spec.zero_centred);
    };
    embedding_norm_ = norm(mtp.embedding_norm);
    hidden_norm_ = norm(mtp.hidden_norm);
    head_norm_ = norm(mtp.norm);
    join_ = weights.linear(mtp.join, {spec.hidden, 2L * spec.hidden});
    layers_.push_back(mtp.load_layer({weights, experts, spec, spec.info.layers, path, spec.moe.experts > 0, engine}));
    if (weights.has_prefix(path + ".embed_tokens.")) {
      embedding_ = weights.copied(weights.table(path + ".embed_tokens", {embedding.out, spec.hidden}));
    }
    const StoredTensor* map = weights.find(path + ".shared_head.d2t");
    if (weights.has_prefix(path + ".shared_head.head.")) {
      const std::string name = path + ".shared_head.head";
      const std::initializer_list<std::int64_t> shape{head.out, spec.hidden};
      head_ = map != nullptr ? weights.table(name, shape) : weights.linear(name, shape);
    }
    if (map != nullptr) {
      read_head_map(*map);
      std::vector<std::int64_t> rows;
      for (const TokenId token : head_tokens_) rows.push_back(index(token));
      head_ = weights.select(head_, rows);
    }
    StoredBytes stored;
    stored.routed.resize(1);
    for (const StoredTensor* tensor : weights.used()) {
      stored.add_first_mtp(place_of(tensor->name, spec.info.layers), spec.info.layers,
                           static_cast<std::int64_t>(tensor->bytes));
    }
    bytes_ = stored.weights(spec.moe.experts, head_.bytes(), embedding_.bytes() / embedding_.out);
  }

  std::unique_ptr<State> new_state(int capacity) const override { return new_state_of(layers_, engine_, capacity); }

  std::span<const int> taps() const override { return taps_of(spec_.mtp_reading); }
  int hidden() const override { return spec_.hidden; }

  Output forward(const Batch& batch, const MatView& hidden, HeadStates, State& state, LogitRows logits) const override {
    return run(spec_.mtp_reading, batch, hidden, state, logits);
  }
  std::unique_ptr<DraftHead> with(const HeadReading& reading) const override;

  std::span<const TokenId> head_tokens() const override { return head_tokens_; }
  const WeightBytes& bytes() const override { return bytes_; }

 private:
  friend class MtpReadOtherwise;

  std::span<const int> taps_of(const HeadReading& reading) const {
    return {reading.normed_states ? &kFinalNorm : &last_layer_, 1};
  }

  Output run(const HeadReading& reading, const Batch& batch, const MatView& hidden, State& state,
             LogitRows logits) const {
    SPECDEC_ASSERT(hidden.rows() == static_cast<Eigen::Index>(batch.tokens.size()) && hidden.cols() == spec_.hidden);
    const Pass pass = begin_pass(engine_, spec_, batch, static_cast<DecoderState&>(state));
    PassBuffers& buffers = pass.buffers();
    const std::int64_t size = spec_.hidden;
    float* embedded = buffers.normed.get(pass.count() * size);
    float* joined = buffers.joined.get(pass.count() * 2 * size);
    embed(engine_, embedding_, batch.tokens, embedded);
    for (std::int64_t i = 0; i < pass.count(); ++i) {
      const Kernels& kernels = engine_.kernels();
      float* first = joined + 2 * i * size;
      float* second = first + size;
      if (!reading.embedding_first) std::swap(first, second);
      kernels.rms_norm(embedded + i * size, embedding_norm_.data(), size, spec_.eps, first);
      kernels.rms_norm(hidden.data() + i * size, hidden_norm_.data(), size, spec_.eps, second);
    }
    Product product{&join_,  activate(engine_, joined, pass.count(), 2 * size, buffers.activations),
                    nullptr, pass.count(),
                    pass.x,  size};
    multiply(engine_, {&product, 1});
    engine_.lap(Part::embedding);
    run_layer(pass, layers_.front(), 0);
    if (buffers.taps.empty()) buffers.taps.resize(1);
    float* normed = buffers.taps.front().get(pass.count() * size);
    final_norm(pass, head_norm_, *file_, normed);
    buffers.tapped.clear();
    buffers.tapped.emplace_back(reading.normed_carried ? normed : pass.x, pass.count(), size);
    const std::int64_t unread = logits == LogitRows::all ? 0 : pass.count() - (logits == LogitRows::last ? 1 : 0);
    return {head_logits(pass, head_, normed + unread * size, pass.count() - unread), buffers.tapped, buffers.routed};
  }

  void read_head_map(const StoredTensor& map) {
    const DraftIds ids = read_draft_ids(map, file_->directory().string());
    const auto fail = [&](std::string_view what) {
      return Error("{}: tensor '{}' is no map of draft ids to target ids: {}", file_->directory().string(), map.name,
                   what);
    };
    if (ids.targets.empty()) throw fail("it is empty");
    if (const std::string fault = ids.fault(head_.out); !fault.empty()) throw fail(fault);
    if (!ids.ascending()) throw fail("target ids are not ascending");
    for (const std::int64_t target : ids.targets) head_tokens_.push_back(TokenId{static_cast<std::int32_t>(target)});
  }

  std::shared_ptr<WeightFile> file_;
  DecoderSpec spec_;
  const Engine& engine_;
  Weight embedding_, head_, join_;
  std::vector<float> embedding_norm_, hidden_norm_, head_norm_;
  std::vector<DecoderLayer> layers_;  // one
  std::vector<TokenId> head_tokens_;
  WeightBytes bytes_;
  static constexpr int kFinalNorm = -1;
  int last_layer_;
};

class MtpReadOtherwise : public DraftHead {
 public:
  MtpReadOtherwise(const MtpDecoder& head, const HeadReading& reading) : head_(head), reading_(reading) {}
  std::unique_ptr<State> new_state(int capacity) const override { return head_.new_state(capacity); }
  std::span<const int> taps() const override { return head_.taps_of(reading_); }
  int hidden() const override { return head_.hidden(); }
  Output forward(const Batch& batch, const MatView& states, HeadStates, State& state, LogitRows logits) const override {
    return head_.run(reading_, batch, states, state, logits);
  }
  std::span<const TokenId> head_tokens() const override { return head_.head_tokens(); }
  const WeightBytes& bytes() const override { return head_.bytes(); }
  std::string about() const override { return "the target's MTP layer, read as " + name_of(reading_); }

 private:
  const MtpDecoder& head_;
  HeadReading reading_;
};

std::unique_ptr<DraftHead> MtpDecoder::with(const HeadReading& reading) const {
  return std::make_unique<MtpReadOtherwise>(*this, reading);
}

}  // namespace

std::string name_of(const HeadReading& reading) {
  return fmt::format("{}-norm+{}-first+carry-{}", reading.normed_states ? "after" : "before",
                     reading.embedding_first ? "embedding" : "hidden", reading.normed_carried ? "normed" : "raw");
}

std::unique_ptr<DraftHead> load_mtp(std::shared_ptr<WeightFile> file, ExpertStore& experts, const DecoderSpec& spec,
                                    const Weight& embedding, const Weight& head, const Engine& engine) {
  const MtpSpec mtp = spec.mtp ? *spec.mtp : deepseek_mtp(*file, spec);
  if (!file->has_prefix(mtp.root + ".")) return nullptr;
  return std::make_unique<MtpDecoder>(std::move(file), experts, spec, mtp, embedding, head, engine);
}

}  // namespace specdec

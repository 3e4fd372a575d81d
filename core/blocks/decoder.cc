#include "core/blocks/decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ranges>

#include "core/blocks/decoder_layer.h"
#include "core/blocks/mtp_decoder.h"
#include "core/blocks/norm.h"
#include "core/error.h"
#include "core/inventory.h"
#include "core/layer_kinds.h"
#include "core/memory.h"
#include "core/windows.h"

namespace specdec {
namespace {

// Throws Error unless there is memory for all weights but routed experts, and for one layer of those.
void expect_room(const WeightFile& file, const DecoderSpec& spec) {
  StoredBytes stored;
  stored.routed.resize(static_cast<std::size_t>(spec.info.layers));
  for (const auto& [name, tensor] : file.tensors()) {
    const auto occurs = [&, &text = name](const std::string& part) { return text.find(part) != std::string::npos; };
    if (std::ranges::any_of(spec.names.ignored, occurs)) continue;
    const Place place = place_of(name, spec.info.layers);
    if (!place.mtp) stored.add(place, static_cast<std::int64_t>(tensor->bytes));
  }
  // Turned copies of experts that are stored input by input stay in memory.
  const bool copies =
      spec.moe.alternating && file.has(fmt::format("{}.layers.0.mlp.experts.gate_up_proj", spec.names.root));
  std::int64_t needed = 0;
  for (const std::int64_t layer : stored.routed) needed = copies ? needed + layer : std::max(needed, layer);
  for (std::size_t group = 0; group < kGroups; ++group) {
    if (static_cast<Group>(group) != Group::routed) needed += stored.groups[group];
  }
  const std::int64_t available = memory_for_weights();
  if (needed <= available) return;
  throw Error(
      "{}: {:.1f} GB of weights must be in memory (all but routed experts, and one layer of these), but {:.1f} GB are "
      "left for them here; expected a machine with more memory, or a checkpoint of fewer bits",
      file.directory().string(), 1e-9 * static_cast<double>(needed), 1e-9 * static_cast<double>(available));
}

class Decoder : public Model {
 public:
  Decoder(DecoderSpec spec, WeightFile weights, Engine& engine)
      : file_(std::make_shared<WeightFile>(std::move(weights))),
        spec_(std::move(spec)),
        engine_(engine),
        experts_(*file_, engine) {
    WeightFile& file = *file_;
    for (const DecoderNames& other : spec_.other_names) {
      if (file.has_prefix(fmt::format("{}.{}.0.{}.", other.root, other.layers, other.feed_forward)))
        spec_.names = other;
    }
    if (spec_.holds_whole_norms && spec_.holds_whole_norms(file)) {
      spec_.zero_centred = spec_.attention.zero_centred = false;
    }
    const DecoderNames& names = spec_.names;
    if (file.packs()) expect_room(file, spec_);
    const std::initializer_list<std::int64_t> shape{spec_.info.vocab, spec_.hidden};
    table_ = fmt::format("{}.{}", names.root, names.embedding);
    const Weight table = spec_.tied ? file.linear(table_, shape) : file.table(table_, shape);
    embedding_ = file.copied(table);
    Moe* before = nullptr;
    for (int layer = 0; layer < spec_.info.layers; ++layer) {
      layers_.push_back(spec_.load_layer(
          {file, experts_, spec_, layer, path_of(layer), spec_.routed[static_cast<std::size_t>(layer)], engine_}));
      for (const Sublayer& sublayer : layers_.back().sublayers) {
        Moe* moe = sublayer.block->experts();
        if (moe == nullptr) continue;
        if (before != nullptr) before->next = moe;
        before = moe;
      }
    }
    norm_ = load_norm(file, fmt::format("{}.{}.weight", names.root, names.norm), spec_.hidden, spec_.zero_centred);
    head_ = spec_.tied ? table : file.linear(names.head, shape);
    spec_.info.mtp_layers = stored_mtp_layers();
    if (spec_.info.mtp_layers > 0) mtp_ = load_mtp(file_, experts_, spec_, embedding_, head_, engine);

    // Computed anew; scales of a cache of 8-bit floats, which is not kept here.
    std::vector<std::string> ignored = names.ignored;
    ignored.insert(ignored.end(), {"rotary_emb.inv_freq", ".k_scale", ".v_scale"});
    if (spec_.tied) {
      expect_one_table(file);
      ignored.push_back(names.head + ".");
    }
    // One head is chained, however many are stored.
    for (int more = 1; more < spec_.info.mtp_layers; ++more) {
      for (const std::string& path : mtp_paths(more)) ignored.push_back(path + ".");
    }
    file.expect_all_used(ignored);
    if (file.packs()) experts_.settle(spec_.moe.experts);
    bytes_ = count_bytes({});
  }

  const ModelInfo& info() const override { return spec_.info; }
  const WeightBytes& bytes() const override { return bytes_; }
  const DraftHead* mtp() const override { return mtp_.get(); }
  SharedWeights shared_weights() const override { return {&embedding_, &head_}; }
  ExpertStore* experts() const override { return spec_.moe.experts > 0 ? &experts_ : nullptr; }

  std::unique_ptr<State> new_state(int capacity) const override { return new_state_of(layers_, engine_, capacity); }

  Output forward(const Batch& batch, State& state, const Taps& taps) const override {
    return run(spec_, {}, batch, state, taps);
  }
  std::unique_ptr<Model> with(const Shortcut& shortcut) const override;

 private:
  friend class ShorterDecoder;

  void expect_skippable(int layer) const;

  // spec: this one's, but for the experts per token. skipped: ascending.
  Output run(const DecoderSpec& spec, std::span<const int> skipped, const Batch& batch, State& state,
             const Taps& taps) const {
    const Pass pass = begin_pass(engine_, spec, batch, static_cast<DecoderState&>(state));
    PassBuffers& buffers = pass.buffers();
    const std::int64_t size = pass.count() * spec_.hidden;
    if (buffers.taps.size() < taps.layers.size() + 1) buffers.taps.resize(taps.layers.size() + 1);
    const auto keep = [&](int layer, const float* x) {
      for (std::size_t i = 0; i < taps.layers.size(); ++i) {
        if (taps.layers[i] == layer) std::copy_n(x, size, buffers.taps[i].get(size));
      }
    };
    embed(engine_, embedding_, batch.tokens, pass.x);
    if (spec_.embedding_scale != 1) {
      for (std::int64_t i = 0; i < size; ++i) pass.x[i] *= spec_.embedding_scale;
    }
    for (int layer = 0; layer < spec_.info.layers; ++layer) {
      if (!std::ranges::binary_search(skipped, layer)) {
        run_layer(pass, layers_[static_cast<std::size_t>(layer)], layer);
      }
      keep(layer, pass.x);
    }
    float* normed = buffers.taps.back().get(size);
    final_norm(pass, norm_, *file_, normed);
    keep(-1, normed);
    buffers.tapped.clear();
    for (std::size_t i = 0; i < taps.layers.size(); ++i) {
      SPECDEC_ASSERT(taps.layers[i] >= -1 && taps.layers[i] < spec_.info.layers);
      buffers.tapped.emplace_back(buffers.taps[i].get(size), pass.count(), spec_.hidden);
    }
    return {head_logits(pass, head_, normed, taps.logits ? pass.count() : 0), buffers.tapped, buffers.routed};
  }

  // A head that is stored although it is the embedding must be that.
  void expect_one_table(const WeightFile& file) const {
    const StoredTensor* head = file.peek(spec_.names.head + ".weight");
    const StoredTensor* table = file.peek(table_ + ".weight");
    if (head == nullptr || table == nullptr || head->data == nullptr) return;
    if (head->bytes == table->bytes && std::memcmp(head->data, table->data, head->bytes) == 0) return;
    throw Error(
        "{}: 'tie_word_embeddings' is true, but '{}' is stored and is not the embedding; set it to false in "
        "config.json to use what is stored, or remove the tensor",
        file.directory().string(), head->name);
  }

  // Of the head with this number: where its layers are stored.
  std::vector<std::string> mtp_paths(int head) const {
    if (!spec_.mtp) return {path_of(spec_.info.layers + head)};
    std::vector<std::string> paths;
    for (int i = 0; i < spec_.mtp->layers; ++i) {
      paths.push_back(fmt::format("{}.layers.{}", spec_.mtp->root, head * spec_.mtp->layers + i));
    }
    return paths;
  }

  // As many as are stored: none if a conversion left them out. Throws Error if config.json says another number.
  int stored_mtp_layers() const {
    int stored = 0;
    while (file_->has_prefix(mtp_paths(stored).front() + ".")) ++stored;
    const bool unsaid = spec_.mtp_key.empty() && spec_.mtp;  // published configs of Qwen3-Next do not say it
    if (stored == 0 || unsaid || stored == spec_.info.mtp_layers) return stored;
    if (spec_.info.mtp_layers == 0) {
      throw Error("{}: tensors of {} are not used: by config.json there are {} layers and '{}' is {}",
                  file_->directory().string(), mtp_paths(0).front(), spec_.info.layers,
                  spec_.mtp_key.empty() ? "num_nextn_predict_layers" : spec_.mtp_key,
                  spec_.mtp_key.empty() ? "missing" : "0");
    }
    throw Error("{}: {} multi-token-prediction layers are stored, but '{}' is {} in config.json; which is right?",
                file_->directory().string(), stored, spec_.mtp_key, spec_.info.mtp_layers);
  }

  std::string path_of(int layer) const { return fmt::format("{}.{}.{}", spec_.names.root, spec_.names.layers, layer); }

  WeightBytes count_bytes(const Shortcut& shortcut) const {
    StoredBytes stored;
    stored.routed.resize(layers_.size());
    for (const StoredTensor* tensor : file_->used()) {
      const Place place = place_of(tensor->name, spec_.info.layers);
      const bool is_skipped = std::ranges::binary_search(shortcut.skipped, place.layer);
      const bool asks_no_router = place.group == Group::router && shortcut.experts_per_token == 0;
      if (!place.mtp && !is_skipped && !asks_no_router) stored.add(place, static_cast<std::int64_t>(tensor->bytes));
    }
    return stored.weights(spec_.moe.experts, head_.bytes(), embedding_.bytes() / embedding_.out);
  }

  std::shared_ptr<WeightFile> file_;
  DecoderSpec spec_;
  const Engine& engine_;
  mutable ExpertStore experts_;  // never changes a result
  std::string table_;            // the embedding's path
  Weight embedding_, head_;
  std::vector<DecoderLayer> layers_;
  std::vector<float> norm_;
  std::unique_ptr<DraftHead> mtp_;
  WeightBytes bytes_;
};

class ShorterDecoder : public Model {
 public:
  ShorterDecoder(const Decoder& whole, const Shortcut& shortcut)
      : whole_(whole), spec_(whole.spec_), skipped_(shortcut.skipped), bytes_(whole.count_bytes(shortcut)) {
    const int experts = shortcut.experts_per_token.value_or(spec_.moe.experts_per_token);
    SPECDEC_ASSERT(experts >= 0 && experts <= spec_.moe.experts_per_token);
    spec_.moe.experts_per_token = spec_.info.experts_per_token = experts;
    spec_.moe.experts_per_pass = shortcut.experts_per_pass.value_or(0);
    spec_.info.mtp_layers = 0;
  }
  const ModelInfo& info() const override { return spec_.info; }
  const WeightBytes& bytes() const override { return bytes_; }
  std::unique_ptr<State> new_state(int capacity) const override { return whole_.new_state(capacity); }
  Output forward(const Batch& batch, State& state, const Taps& taps) const override {
    return whole_.run(spec_, skipped_, batch, state, taps);
  }
  SharedWeights shared_weights() const override { return whole_.shared_weights(); }
  ExpertStore* experts() const override { return whole_.experts(); }

 private:
  const Decoder& whole_;
  DecoderSpec spec_;
  std::vector<int> skipped_;
  WeightBytes bytes_;
};

void Decoder::expect_skippable(int layer) const {
  for (const Sublayer& sublayer : layers_[static_cast<std::size_t>(layer)].sublayers) {
    if (const char* reason = sublayer.block->why_never_skipped()) {
      throw Error("{}: layer {} cannot be left out of guesses: {}; leave out other layers, or experts",
                  file_->directory().string(), layer, reason);
    }
  }
}

std::unique_ptr<Model> Decoder::with(const Shortcut& shortcut) const {
  for (const int layer : shortcut.skipped) expect_skippable(layer);
  return std::make_unique<ShorterDecoder>(*this, shortcut);
}

void require(bool holds, const ConfigReader& config, const std::string& what) {
  if (!holds) throw Error("{}: {}", config.origin(), what);
}

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
constexpr std::array<NamedActivation, 7> kActivations{{{"silu", Activation::silu},
                                                       {"swish", Activation::silu},
                                                       {"gelu", Activation::gelu},
                                                       {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                       {"gelu_new", Activation::gelu_tanh},
                                                       {"gelu_fast", Activation::gelu_tanh},
                                                       {"relu", Activation::relu}}};

}  // namespace

DecoderSpec read_decoder(const ConfigReader& config, const DecoderDefaults& defaults) {
  DecoderSpec spec;
  spec.info.vocab = config.count("vocab_size");
  spec.info.hidden = spec.hidden = config.count("hidden_size");
  spec.info.layers = defaults.layers > 0 ? defaults.layers : config.count("num_hidden_layers");
  spec.info.context = read_context(config, 2048);
  spec.intermediate = config.count("intermediate_size", 0);
  spec.eps = read_eps(config, "rms_norm_eps", defaults.rms_norm_eps);
  spec.tied = config.boolean("tie_word_embeddings", defaults.tied);
  constexpr int kMostLayers = 10000;  // a config that says more is damaged: do not try to allocate for it
  require(spec.info.layers <= kMostLayers, config,
          fmt::format("'num_hidden_layers' is {}; expected at most {}", spec.info.layers, kMostLayers));
  spec.routed.assign(static_cast<std::size_t>(spec.info.layers), false);

  AttentionSpec& attention = spec.attention;
  attention.heads = config.count("num_attention_heads");
  attention.kv_heads = config.has("num_key_value_heads") ? config.count("num_key_value_heads") : attention.heads;
  const int head_dim = defaults.head_dim > 0 ? defaults.head_dim : spec.hidden / attention.heads;
  attention.head_dim = config.count("head_dim", head_dim);
  attention.eps = spec.eps;
  require(attention.heads % attention.kv_heads == 0, config,
          fmt::format("{} attention heads do not divide over {} key-value heads", attention.heads, attention.kv_heads));
  constexpr int kMostDim = 1 << 16;
  require(attention.head_dim >= 1 && attention.head_dim <= kMostDim, config,
          fmt::format("'head_dim' is {}; expected 1 to {}", attention.head_dim, kMostDim));
  if (!defaults.own_rope) {
    spec.ropes = {read_rope(config, attention.head_dim, defaults.partial_rotary_factor, defaults.rope_theta)};
  }

  const std::string_view key = config.first_of({"hidden_activation", "hidden_act"});
  const std::string activation = config.text(key, "silu");
  const auto* known = std::ranges::find(kActivations, activation, &NamedActivation::name);
  require(known != kActivations.end(), config,
          fmt::format("'{}' is '{}'; expected {}", key, activation,
                      fmt::join(kActivations | std::views::transform(&NamedActivation::name), ", ")));
  spec.activation = known->activation;
  return spec;
}

AttentionSpec DecoderSpec::attention_of(int layer) const {
  AttentionSpec of_layer = attention;
  const auto i = static_cast<std::size_t>(layer);
  if (i >= windowed.size() || !windowed[i]) return of_layer;
  of_layer.window = window;
  of_layer.rope = window_rope;
  return of_layer;
}

void read_windows(const ConfigReader& config, DecoderSpec& spec) {
  LayerWindows windows = read_windows(config, spec.info.layers);
  spec.window = windows.size;
  spec.windowed = std::move(windows.layers);
}

void expect_full_attention(const ConfigReader& config) {
  for (const std::string& type : config.texts("layer_types")) {
    require(type == "full_attention" || type == "sliding_attention", config,
            fmt::format("layer type '{}' is not one of this architecture; full_attention is", type));
  }
}

void read_experts(const ConfigReader& config, std::string_view experts_key, DecoderSpec& spec,
                  std::string_view width_key) {
  MoeSpec& moe = spec.moe;
  moe.experts = config.count(experts_key);
  moe.experts_per_token = config.count("num_experts_per_tok");
  moe.width = config.count(width_key);
  moe.activation = spec.activation;
  constexpr int kMostExperts = 1 << 16;
  constexpr int kMostShared = 64;
  constexpr int kMostWidth = 1 << 24;
  require(moe.experts <= kMostExperts && spec.info.shared_experts <= kMostShared && moe.width <= kMostWidth, config,
          fmt::format("{} experts of width {} and {} shared are more than the {}, {} and {} that specdec expects",
                      moe.experts, moe.width, spec.info.shared_experts, kMostExperts, kMostWidth, kMostShared));
  const std::string_view scores = moe.sigmoid ? "sigmoid" : "softmax";
  const std::string asked = config.text("scoring_func", scores);
  require(asked == scores, config,
          fmt::format("'scoring_func' is '{}'; this architecture routes with {}", asked, scores));
  moe.shared_width = moe.width * spec.info.shared_experts;
  expect_experts_per_token(config, moe.experts_per_token, moe.experts);
  require(moe.groups >= 1 && moe.groups <= kMostGroups, config,
          fmt::format("'n_group' is {}; expected 1 to {}", moe.groups, kMostGroups));
  require(moe.groups_kept >= 1 && moe.groups_kept <= moe.groups, config,
          fmt::format("'topk_group' is {}; expected 1 to the {} of 'n_group'", moe.groups_kept, moe.groups));
  const int of_group = moe.experts / moe.groups;
  require(moe.experts % moe.groups == 0, config,
          fmt::format("{} experts do not divide over the {} groups of 'n_group'", moe.experts, moe.groups));
  require(moe.groups == 1 || of_group >= moe.group_scored_by, config,
          fmt::format("a group of 'n_group' {} has {} of {} experts; expected at least {}", moe.groups, of_group,
                      moe.experts, moe.group_scored_by));
  require(of_group * moe.groups_kept >= moe.experts_per_token, config,
          fmt::format("the {} groups of 'topk_group' have {} experts; expected the {} of 'num_experts_per_tok'",
                      moe.groups_kept, of_group * moe.groups_kept, moe.experts_per_token));
  spec.info.experts = moe.experts;
  spec.info.experts_per_token = moe.experts_per_token;
}

float read_eps(const ConfigReader& config, std::string_view key, double fallback) {
  const double eps = config.number(key, fallback);
  require(eps >= 0 && eps < 1, config, fmt::format("'{}' is {}; expected 0 to 1", key, eps));
  return static_cast<float>(eps);
}

void read_mtp_layers(const ConfigReader& config, DecoderSpec& spec, std::string_view key) {
  spec.info.mtp_layers = count_mtp_layers(config, key);
  if (config.has(key)) spec.mtp_key = key;
}

std::unique_ptr<Model> make_decoder(DecoderSpec spec, WeightFile file, Engine& engine) {
  return std::make_unique<Decoder>(std::move(spec), std::move(file), engine);
}

}  // namespace specdec

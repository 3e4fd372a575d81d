#include "core/eagle_files.h"

#include <algorithm>

#include "core/arch.h"
#include "core/draft_ids.h"
#include "core/engine.h"
#include "core/error.h"

namespace specdec {
namespace {

class EagleFiles {
 public:
  EagleFiles(const std::filesystem::path& path, const Model& target, Engine& engine)
      : path_(path.string()),
        config_(read_config(path)),
        inner_(config_.object_if("transformer_layer_config").value_or(config_)),
        target_(target.info()),
        shared_(target.shared_weights()) {
    parts_.file = std::make_shared<WeightFile>(path, &engine.pool());
  }

  EagleParts read() {
    original_ = file().has_prefix(name("midlayer."));
    layer_ = name(original_ ? "midlayer" : "layers.0");
    parts_.joins_layers = original_ || file().has(layer_ + ".hidden_norm.weight");
    refuse_what_is_not_done();
    read_spec();
    if (parts_.joins_layers) {
      read_eagle3();
    } else {
      read_eagle();
    }
    read_layer();
    file().expect_all_used({{"rotary_emb.inv_freq", "verifier_lm_head.", "verifier_norm.", "t2d", "embed_tokens."}});
    count_bytes();
    return std::move(parts_);
  }

 private:
  WeightFile& file() { return *parts_.file; }
  // Some writers put "model." in front.
  std::string name(const std::string& tensor) {
    return file().has_prefix("model." + tensor) ? "model." + tensor : tensor;
  }
  template <typename... Values>
  Error error(fmt::format_string<Values...> text, Values&&... values) const {
    return Error("{}: {}", path_, fmt::format(text, std::forward<Values>(values)...));
  }

  void refuse_what_is_not_done() {
    for (const std::string_view key : {"norm_output", "fc_norm", "add_para_norm"}) {
      if (config_.boolean(key, false)) throw error("config.json says '{}', which this version does not do", key);
    }
    if (file().has("mask_hidden"))
      throw error("'mask_hidden' guesses all tokens in one pass (P-EAGLE), which this version does not do");
    if (file().has_prefix("fusion_fc."))
      throw error("'fusion_fc' is how speculators writes EAGLE-1, which this version does not read");
    if (!file().has(name("fc.weight")) || !file().has_prefix(layer_ + ".self_attn."))
      throw error("no EAGLE head: it needs 'fc.weight' and a layer 'midlayer' or 'layers.0'");
    if (file().has_prefix(name("layers.1.")) || inner_.count("num_hidden_layers", 1) != 1)
      throw error("heads of more than one layer are not supported yet");
  }

  void read_spec() {
    DecoderSpec& spec = parts_.spec = read_decoder(inner_);
    expect_full_attention(inner_);
    AttentionSpec& attention = spec.attention;
    attention.qkv_bias = file().has(layer_ + ".self_attn.q_proj.bias");
    attention.output_bias = file().has(layer_ + ".self_attn.o_proj.bias");
    if (file().has(layer_ + ".self_attn.q_norm.weight")) attention.qk_norm = AttentionSpec::QkNorm::of_heads;
    spec.mlp_bias = file().has(layer_ + ".mlp.gate_proj.bias");
    const int said = config_.count("target_hidden_size", target_.hidden);
    if (said != target_.hidden)
      throw error("made for states of {} values, those of {} have {}", said, target_.path, target_.hidden);
  }

  void read_eagle3() {
    const std::int64_t size = parts_.spec.hidden;
    const EagleTaps taps = read_eagle_taps(config_, target_.layers);
    const auto outside =
        std::ranges::find_if(taps.outputs, [&](int layer) { return layer < 0 || layer >= target_.layers; });
    if (outside != taps.outputs.end())
      throw error("reads the output of layer {} ({}); {} has layers 0 to {}", *outside, taps.source, target_.path,
                  target_.layers - 1);
    parts_.taps = taps.outputs;
    const std::int64_t joined = static_cast<std::int64_t>(taps.outputs.size()) * target_.hidden;
    parts_.fc = file().linear(name("fc"), {size, joined});
    const bool speculators = config_.has("speculators_model_type");
    parts_.norm_before_residual = config_.boolean("norm_before_residual", speculators);
    if (config_.boolean("norm_before_fc", false)) parts_.input_norm = file().vector(name("input_norm.weight"), joined);
    parts_.embedding_norm = file().vector(layer_ + ".input_layernorm.weight", size);
    parts_.hidden_norm = file().vector(layer_ + ".hidden_norm.weight", size);
    parts_.output_norm = file().vector(name("norm.weight"), size);
    read_embedding();
    const std::int64_t rows = read_tokens();
    parts_.head = file().linear(name("lm_head"), {rows, size});
    parts_.about = fmt::format(
        "an EAGLE-3 head ({} layout) over the outputs of layers {} of 0 to {} ({}); it says {} of {} tokens",
        original_ ? "original" : "speculators", fmt::join(parts_.taps, ", "), target_.layers - 1, taps.source, rows,
        target_.vocab);
  }

  void read_eagle() {
    if (parts_.spec.hidden != target_.hidden)
      throw error("its states have {} values, those of {} have {}", parts_.spec.hidden, target_.path, target_.hidden);
    if (shared_.head == nullptr) throw error("{} lends it no output head", target_.path);
    parts_.taps = {-1};
    parts_.fc = file().linear(name("fc"), {parts_.spec.hidden, 2 * target_.hidden});
    read_embedding();
    parts_.head = *shared_.head;
    parts_.about = "an EAGLE-1 or -2 head over the state after the target's final norm, with the target's head";
  }

  void read_embedding() {
    if (file().has_prefix(name("embed_tokens."))) {
      parts_.embedding = file().copied(file().table(name("embed_tokens"), {target_.vocab, parts_.spec.hidden}));
      return;
    }
    if (shared_.embedding == nullptr || shared_.embedding->in != parts_.spec.hidden)
      throw error("has no 'embed_tokens', and the embedding of {} is not {} values wide", target_.path,
                  parts_.spec.hidden);
    parts_.embedding = *shared_.embedding;
  }

  // Returns how many columns the head has.
  std::int64_t read_tokens() {
    const int said = config_.count(config_.first_of({"draft_vocab_size", "truncated_vocab_size"}), 0);
    const StoredTensor* map = file().find("d2t");
    if (map == nullptr) {
      const int all = said > 0 ? said : parts_.spec.info.vocab;
      if (all != target_.vocab)
        throw error("says {} tokens, {} has {}, and no 'd2t' tells which they are", all, target_.path, target_.vocab);
      return all;
    }
    const DraftIds ids = read_draft_ids(*map, path_);
    if (const std::string fault = ids.fault(target_.vocab); !fault.empty() || ids.targets.empty())
      throw error("tensor 'd2t' is no map of draft ids to target ids: {}", ids.targets.empty() ? "it is empty" : fault);
    const auto count = static_cast<std::int64_t>(ids.targets.size());
    if (said != 0 && said != count) throw error("config.json says {} draft ids, 'd2t' has {}", said, count);
    for (const std::int64_t target : ids.targets) parts_.tokens.push_back(TokenId{static_cast<std::int32_t>(target)});
    check_mask(ids);
    return count;
  }

  void check_mask(const DraftIds& ids) {
    const StoredTensor* mask = file().find("t2d");
    if (mask == nullptr) return;
    if ((mask->dtype != DType::boolean && mask->dtype != DType::u8) || mask->elements() != target_.vocab)
      throw error("tensor 't2d' is not one BOOL for each of {} tokens", target_.vocab);
    const auto set = std::ranges::count_if(std::span(mask->data, static_cast<std::size_t>(target_.vocab)),
                                           [](std::byte value) { return value != std::byte{0}; });
    const bool named =
        std::ranges::all_of(ids.targets, [&](std::int64_t id) { return mask->data[id] != std::byte{0}; });
    if (!named || set != static_cast<std::ptrdiff_t>(ids.targets.size()))
      throw error("'t2d' and 'd2t' do not name the same target ids");
  }

  void read_layer() {
    const int size = parts_.spec.hidden;
    if (file().has(name("fc.bias"))) parts_.fc_bias = file().vector(name("fc.bias"), size);
    parts_.ffn_norm = file().vector(layer_ + ".post_attention_layernorm.weight", size);
    parts_.attention = std::make_unique<Attention>(file(), layer_ + ".self_attn", parts_.spec.attention, size,
                                                   parts_.joins_layers ? 2 * size : size);
    parts_.ffn =
        load_swiglu(file(), layer_ + ".mlp", size, {.width = parts_.spec.intermediate, .biased = parts_.spec.mlp_bias});
  }

  // The maps of ids are read once, when the head is loaded.
  void count_bytes() {
    WeightBytes& bytes = parts_.bytes;
    bytes.head = parts_.head.bytes();
    bytes.embedding_row = parts_.embedding.bytes() / parts_.embedding.out;
    bytes.expert = {0};
    for (const StoredTensor* tensor : file().used()) {
      const bool is_map = tensor->name == "d2t" || tensor->name == "t2d";
      const bool is_table = tensor->name.find("embed_tokens.") != tensor->name.npos;
      const auto size = static_cast<std::int64_t>(is_map ? 0 : tensor->bytes);
      bytes.total += size;
      bytes.fixed += is_table ? 0 : size;
    }
    if (!parts_.joins_layers) bytes.fixed += bytes.head;
  }

  std::string path_;
  ConfigReader config_, inner_;
  const ModelInfo& target_;
  SharedWeights shared_;
  EagleParts parts_;
  bool original_ = false;
  std::string layer_;  // the path of its layer
};

}  // namespace

EagleParts open_eagle(const std::filesystem::path& path, const Model& target, Engine& engine) {
  return EagleFiles(path, target, engine).read();
}

}  // namespace specdec

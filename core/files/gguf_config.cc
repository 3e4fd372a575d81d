#include "core/files/gguf_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/files/json.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

// general.architecture, model_type
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kArchitectures{
    {{"llama", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}, {"qwen3moe", "qwen3_moe"}, {"glm4moe", "glm4_moe"}}};

// Keys below the architecture's name that are read here, or that say nothing about what is computed.
constexpr std::array<std::string_view, 29> kKeys{"attention.causal",
                                                 "attention.head_count",
                                                 "attention.head_count_kv",
                                                 "attention.key_length",
                                                 "attention.layer_norm_rms_epsilon",
                                                 "attention.value_length",
                                                 "block_count",
                                                 "context_length",
                                                 "embedding_length",
                                                 "expert_count",
                                                 "expert_feed_forward_length",
                                                 "expert_gating_func",
                                                 "expert_group_count",
                                                 "expert_group_used_count",
                                                 "expert_shared_count",
                                                 "expert_used_count",
                                                 "expert_weights_norm",
                                                 "expert_weights_scale",
                                                 "feed_forward_length",
                                                 "leading_dense_block_count",
                                                 "nextn_predict_layers",
                                                 "rope.dimension_count",
                                                 "rope.freq_base",
                                                 "rope.scaling.factor",
                                                 "rope.scaling.finetuned",
                                                 "rope.scaling.original_context_length",
                                                 "rope.scaling.type",
                                                 "tensor_data_layout",
                                                 "vocab_size"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kWholeNames{
    {{"token_embd.weight", "model.embed_tokens.weight"},
     {"output_norm.weight", "model.norm.weight"},
     {"output.weight", "lm_head.weight"},
     {"output.bias", "lm_head.bias"},
     {"rope_freqs.weight", ""}}};

// Behind blk.N. and model.layers.N.; the last part, weight or bias, is kept.
constexpr std::array<std::pair<std::string_view, std::string_view>, 25> kLayerNames{
    {{"attn_norm", "input_layernorm"},
     {"ffn_norm", "post_attention_layernorm"},
     {"post_attention_norm", "post_attention_layernorm"},
     {"attn_q", "self_attn.q_proj"},
     {"attn_k", "self_attn.k_proj"},
     {"attn_v", "self_attn.v_proj"},
     {"attn_output", "self_attn.o_proj"},
     {"attn_q_norm", "self_attn.q_norm"},
     {"attn_k_norm", "self_attn.k_norm"},
     {"ffn_gate", "mlp.gate_proj"},
     {"ffn_up", "mlp.up_proj"},
     {"ffn_down", "mlp.down_proj"},
     {"ffn_gate_inp", "mlp.gate"},
     {"ffn_gate_exps", "mlp.switch_mlp.gate_proj"},
     {"ffn_up_exps", "mlp.switch_mlp.up_proj"},
     {"ffn_down_exps", "mlp.switch_mlp.down_proj"},
     {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
     {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
     {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
     {"nextn.eh_proj", "eh_proj"},
     {"nextn.enorm", "enorm"},
     {"nextn.hnorm", "hnorm"},
     {"nextn.shared_head_norm", "shared_head.norm"},
     {"nextn.shared_head_head", "shared_head.head"},
     {"nextn.embed_tokens", "embed_tokens"}}};

std::string_view architecture_of(const GgufMetadata& metadata) {
  const std::optional<std::string_view> name = metadata.text("general.architecture");
  if (!name) throw Error("{}: 'general.architecture' is missing: no model of llama.cpp", metadata.origin);
  std::vector<std::string_view> known;
  for (const auto& [theirs, ours] : kArchitectures) {
    if (theirs == *name) return theirs;
    known.push_back(theirs);
  }
  throw Error("{}: 'general.architecture' is {}; this version reads GGUF files of: {}", metadata.origin, escaped(*name),
              fmt::join(known, ", "));
}

// The keys of one architecture.
class Keys {
 public:
  explicit Keys(const GgufMetadata& metadata)
      : architecture(architecture_of(metadata)), metadata_(metadata), prefix_(fmt::format("{}.", architecture)) {
    for (const auto& [key, value] : metadata.values) {
      if (!key.starts_with(prefix_) || std::ranges::find(kKeys, key.substr(prefix_.size())) != kKeys.end()) continue;
      throw Error("{}: this version does not know the key '{}', which may change what the model computes",
                  metadata.origin, key);
    }
  }

  bool has(std::string_view key) const { return metadata_.has(path(key)); }

  std::optional<std::int64_t> find_count(std::string_view key) const {
    const std::optional<std::int64_t> count = find_integer(key);
    constexpr std::int64_t kMost = INT32_MAX;
    refuse(count && (*count < 0 || *count > kMost), key, fmt::format("from 0 to {}", kMost));
    return count;
  }
  std::int64_t count(std::string_view key) const { return required(find_count(key), key); }
  std::optional<double> number(std::string_view key) const { return metadata_.number(path(key)); }
  std::optional<bool> boolean(std::string_view key) const { return metadata_.boolean(path(key)); }
  std::optional<std::string_view> text(std::string_view key) const { return metadata_.text(path(key)); }

  template <typename T>
  T required(const std::optional<T>& value, std::string_view key) const {
    if (!value) throw Error("{}: the key '{}' is missing", metadata_.origin, path(key));
    return *value;
  }

  void refuse(bool wrong, std::string_view key, std::string_view expected) const {
    if (wrong) throw metadata_.wrong(path(key), expected);
  }

  const std::string_view architecture;

 private:
  std::string path(std::string_view key) const { return fmt::format("{}{}", prefix_, key); }

  // A number of each layer must be the same for all of them.
  std::optional<std::int64_t> find_integer(std::string_view key) const {
    const std::string name = path(key);
    if (!metadata_.is_list(name)) return metadata_.integer(name);
    const std::vector<std::int64_t> counts = *metadata_.integers(name);
    if (counts.empty() || std::ranges::any_of(counts, [&](std::int64_t count) { return count != counts.front(); }))
      throw metadata_.wrong(name, "the same for all layers, which this version needs");
    return counts.front();
  }

  const GgufMetadata& metadata_;
  std::string prefix_;
};

// rope_freqs.weight: by how much each frequency is divided.
Json rope_factors(const StoredTensor& tensor, const GgufMetadata& metadata) {
  if (tensor.dtype != DType::f32 || tensor.shape.size() != 1)
    throw Error("{}: 'rope_freqs.weight' is {} of {}; expected one dimension of F32", metadata.origin, tensor.shape,
                name_of(tensor.dtype));
  std::vector<float> factors(static_cast<std::size_t>(tensor.elements()));
  if (!factors.empty()) std::memcpy(factors.data(), tensor.data, tensor.bytes);
  for (const float factor : factors) {
    if (!std::isfinite(factor) || factor <= 0)
      throw Error("{}: 'rope_freqs.weight' holds {}; expected numbers above 0", metadata.origin, factor);
  }
  return {{"rope_type", "factors"}, {"factors", factors}};
}

void add_rope(const Keys& keys, const GgufMetadata& metadata, const GgufFind& find, std::int64_t head_dim,
              Json& config) {
  config["rope_theta"] = keys.number("rope.freq_base").value_or(10000);
  const std::int64_t dims = keys.find_count("rope.dimension_count").value_or(head_dim);
  const bool whole = keys.architecture != "glm4moe";
  keys.refuse(dims < (whole ? head_dim : 1) || dims > head_dim, "rope.dimension_count",
              whole ? fmt::format("{}, as many as a head has", head_dim) : fmt::format("from 1 to {}", head_dim));
  double partial = static_cast<double>(dims) / static_cast<double>(head_dim);
  if (static_cast<std::int64_t>(partial * static_cast<double>(head_dim)) < dims) partial = std::nextafter(partial, 1);
  config["partial_rotary_factor"] = partial;
  const std::string_view type = keys.text("rope.scaling.type").value_or("none");
  if (type != "none") {
    config["rope_scaling"] = {{"rope_type", type},
                              {"factor", keys.required(keys.number("rope.scaling.factor"), "rope.scaling.factor")}};
  }
  if (const StoredTensor* factors = find("rope_freqs.weight")) {
    keys.refuse(keys.architecture != "llama", "rope.freq_base", "all there is to the rotation: it has factors, too");
    keys.refuse(type != "none", "rope.scaling.type", "'none', as it must be where there is a tensor rope_freqs");
    config["rope_scaling"] = rope_factors(*factors, metadata);
  }
}

void add_experts(const Keys& keys, Json& config) {
  const bool glm = keys.architecture == "glm4moe";
  config[glm ? "n_routed_experts" : "num_experts"] = keys.count("expert_count");
  config["num_experts_per_tok"] = keys.count("expert_used_count");
  const std::int64_t width = keys.count("expert_feed_forward_length");
  config["moe_intermediate_size"] = width;
  constexpr std::int64_t kSoftmax = 1, kSigmoid = 2;
  const std::int64_t gating = keys.find_count("expert_gating_func").value_or(0);
  keys.refuse(gating != 0 && gating != (glm ? kSigmoid : kSoftmax), "expert_gating_func",
              glm ? "2, the sigmoid of this architecture" : "1, the softmax of this architecture");
  const double scale = keys.number("expert_weights_scale").value_or(0);  // 0: none
  if (!glm) {
    keys.refuse(scale != 0 && scale != 1, "expert_weights_scale", "1, all that this architecture has");
    config["norm_topk_prob"] = keys.boolean("expert_weights_norm").value_or(true);
    return;
  }
  config["routed_scaling_factor"] = scale == 0 ? 1 : scale;
  config["norm_topk_prob"] = keys.required(keys.boolean("expert_weights_norm"), "expert_weights_norm");
  config["n_shared_experts"] = keys.count("expert_shared_count");
  config["first_k_dense_replace"] = keys.count("leading_dense_block_count");
  config["n_group"] = keys.find_count("expert_group_count").value_or(1);
  config["topk_group"] = keys.find_count("expert_group_used_count").value_or(1);
}

}  // namespace

std::string gguf_config(const GgufMetadata& metadata, const GgufFind& find) {
  const Keys keys(metadata);
  const bool moe = keys.architecture == "qwen3moe" || keys.architecture == "glm4moe";
  const StoredTensor* embedding = find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2)
    throw Error("{}: has no matrix 'token_embd.weight'; is it only a vocabulary or a part of a model?",
                metadata.origin);
  Json config;
  config["model_type"] =
      std::ranges::find(kArchitectures, keys.architecture, [](const auto& pair) { return pair.first; })->second;
  config["vocab_size"] = embedding->shape[0];
  const std::int64_t hidden = keys.count("embedding_length");
  const std::int64_t heads = keys.count("attention.head_count");
  keys.refuse(heads < 1, "attention.head_count", "1 or more");
  const std::int64_t head_dim = keys.find_count("attention.key_length").value_or(hidden / heads);
  keys.refuse(head_dim < 1, "attention.key_length", "1 or more");
  keys.refuse(keys.find_count("attention.value_length").value_or(head_dim) != head_dim, "attention.value_length",
              "attention.key_length, as this version needs");
  keys.refuse(!keys.boolean("attention.causal").value_or(true), "attention.causal", "true");
  const std::int64_t mtp_layers = keys.find_count("nextn_predict_layers").value_or(0);
  config["hidden_size"] = hidden;
  config["num_hidden_layers"] = keys.count("block_count") - mtp_layers;
  config["num_nextn_predict_layers"] = mtp_layers;
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = keys.find_count("attention.head_count_kv").value_or(heads);
  config["head_dim"] = head_dim;
  config["intermediate_size"] = keys.count("feed_forward_length");
  config["rms_norm_eps"] =
      keys.required(keys.number("attention.layer_norm_rms_epsilon"), "attention.layer_norm_rms_epsilon");
  config["max_position_embeddings"] = keys.count("context_length");
  config["tie_word_embeddings"] = find("output.weight") == nullptr;
  config["attention_bias"] = find("blk.0.attn_q.bias") != nullptr;
  config["mlp_bias"] = find("blk.0.ffn_gate.bias") != nullptr;
  config["use_qk_norm"] = find("blk.0.attn_q_norm.weight") != nullptr;
  add_rope(keys, metadata, find, head_dim, config);
  keys.refuse(!moe && keys.find_count("expert_count").value_or(0) != 0, "expert_count",
              "0, all that this version reads of this architecture");
  if (moe) add_experts(keys, config);

  if (const auto bos = metadata.integer("tokenizer.ggml.bos_token_id")) config["bos_token_id"] = *bos;
  Json eos = Json::array();
  for (const char* role : {"eos", "eot", "eom"}) {
    const auto id = metadata.integer(fmt::format("tokenizer.ggml.{}_token_id", role));
    if (id && std::ranges::find(eos, Json(*id)) == eos.end()) eos.push_back(*id);
  }
  if (!eos.empty()) config["eos_token_id"] = eos;
  return config.dump();
}

std::optional<std::string> transformers_name(const std::string& name, const GgufMetadata& metadata,
                                             const GgufFind& find) {
  for (const auto& [theirs, ours] : kWholeNames) {
    if (name == theirs) return ours.empty() ? std::nullopt : std::optional<std::string>(ours);
  }
  constexpr std::string_view kBlock = "blk.";
  const std::size_t after_layer = name.starts_with(kBlock) ? name.find('.', kBlock.size()) : std::string::npos;
  const std::size_t last = name.rfind('.');
  if (after_layer != std::string::npos && after_layer < last) {
    const std::string layer = name.substr(kBlock.size(), after_layer - kBlock.size());
    const std::string_view inside = std::string_view(name).substr(after_layer + 1, last - after_layer - 1);
    const std::string path = fmt::format("model.layers.{}.", layer);
    const std::string kind = name.substr(last);
    if (inside == "exp_probs_b" && kind == ".bias") return path + "mlp.gate.e_score_correction_bias";
    // Fused experts have no ".weight" behind their names.
    if (inside == "ffn_gate_up_exps" && kind == ".weight") return path + "mlp.experts.gate_up_proj";
    const bool fused = find(fmt::format("blk.{}.ffn_gate_up_exps.weight", layer)) != nullptr;
    if (inside == "ffn_down_exps" && kind == ".weight" && fused) return path + "mlp.experts.down_proj";
    for (const auto& [theirs, ours] : kLayerNames) {
      if (inside == theirs && (kind == ".weight" || kind == ".bias")) return fmt::format("{}{}{}", path, ours, kind);
    }
  }
  throw Error("{}: no tensor of architecture {} that this version knows is called '{}'", metadata.origin,
              architecture_of(metadata), name);
}

std::int64_t interleaved_heads(const std::string& name, const GgufMetadata& metadata) {
  const Keys keys(metadata);
  if (keys.architecture != "llama" || !name.starts_with("blk.")) return 0;
  const std::int64_t heads = keys.count("attention.head_count");
  if (name.find(".attn_q.") != std::string::npos) return heads;
  if (name.find(".attn_k.") != std::string::npos) return keys.find_count("attention.head_count_kv").value_or(heads);
  return 0;
}

}  // namespace specdec

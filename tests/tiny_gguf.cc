#include "tests/tiny_gguf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "core/error.h"
#include "tests/gguf_writer.h"

namespace specdec {
namespace {

// Where a block has its numbers in float16: a scale, and what is added or taken away.
struct Block {
  std::string_view format;
  DType dtype;
  std::uint32_t id;     // in a file
  std::int64_t scale;   // byte of the scale
  double largest;       // of what the scale is multiplied by
  std::int64_t offset;  // byte of the offset; -1: there is none
  double offset_share;  // of the spread
};
constexpr std::array kBlocks{
    Block{"q4_0", DType::q4_0, 2, 0, 8, -1, 0},
    Block{"q4_1", DType::q4_1, 3, 0, 7.5, 2, -1},
    Block{"q5_0", DType::q5_0, 6, 0, 16, -1, 0},
    Block{"q5_1", DType::q5_1, 7, 0, 15.5, 2, -1},
    Block{"q8_0", DType::q8_0, 8, 0, 128, -1, 0},
    Block{"q4_k", DType::q4_k, 12, 0, 63 * 7.5, 2, 1. / 63},
    Block{"q5_k", DType::q5_k, 13, 0, 63 * 15.5, 2, 1. / 63},
    Block{"q6_k", DType::q6_k, 14, 208, 128 * 32, -1, 0},
    Block{"iq4_nl", DType::iq4_nl, 20, 0, 127, -1, 0},
    Block{"iq4_xs", DType::iq4_xs, 23, 0, 32 * 127, -1, 0},
    Block{"gguf_mxfp4", DType::mxfp4, 39, -1, 6, -1, 0},
};

const Block& block_of(DType dtype) { return *std::ranges::find(kBlocks, dtype, &Block::dtype); }

// Truncated; below the smallest normal number, with fewer digits.
std::uint16_t to_f16(double value) {
  const double magnitude = std::abs(value);
  const int exponent = std::max(std::ilogb(magnitude), -14);
  const auto bits = static_cast<int>(std::ldexp(magnitude, 10 - exponent)) + (exponent + 14) * 1024;
  return static_cast<std::uint16_t>(bits | (value < 0 ? 0x8000 : 0));
}

std::string gguf_name(const std::string& name) {
  static const std::map<std::string, std::string> kNames{{"model.embed_tokens", "token_embd"},
                                                         {"model.norm", "output_norm"},
                                                         {"lm_head", "output"},
                                                         {"input_layernorm", "attn_norm"},
                                                         {"post_attention_layernorm", "post_attention_norm"},
                                                         {"self_attn.q_proj", "attn_q"},
                                                         {"self_attn.k_proj", "attn_k"},
                                                         {"self_attn.v_proj", "attn_v"},
                                                         {"self_attn.o_proj", "attn_output"},
                                                         {"self_attn.q_norm", "attn_q_norm"},
                                                         {"self_attn.k_norm", "attn_k_norm"},
                                                         {"mlp.gate_proj", "ffn_gate"},
                                                         {"mlp.up_proj", "ffn_up"},
                                                         {"mlp.down_proj", "ffn_down"},
                                                         {"mlp.gate", "ffn_gate_inp"},
                                                         {"mlp.switch_mlp.gate_proj", "ffn_gate_exps"},
                                                         {"mlp.switch_mlp.up_proj", "ffn_up_exps"},
                                                         {"mlp.switch_mlp.down_proj", "ffn_down_exps"},
                                                         {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
                                                         {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
                                                         {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
                                                         {"eh_proj", "nextn.eh_proj"},
                                                         {"enorm", "nextn.enorm"},
                                                         {"hnorm", "nextn.hnorm"},
                                                         {"shared_head.norm", "nextn.shared_head_norm"}};
  constexpr std::string_view kLayer = "model.layers.", kBias = ".mlp.gate.e_score_correction_bias";
  std::string before, inside = name;
  if (name.starts_with(kLayer)) {
    const std::size_t dot = name.find('.', kLayer.size());
    before = fmt::format("blk.{}.", name.substr(kLayer.size(), dot - kLayer.size()));
    if (name.ends_with(kBias)) return before + "exp_probs_b.bias";
    inside = name.substr(dot + 1);
  }
  const std::size_t last = inside.rfind('.');
  return before + kNames.at(inside.substr(0, last)) + inside.substr(last);
}

}  // namespace

std::optional<DType> block_type(std::string_view format) {
  const auto found = std::ranges::find(kBlocks, format, &Block::format);
  return found == kBlocks.end() ? std::nullopt : std::optional(found->dtype);
}

std::vector<std::byte> random_blocks(DType dtype, std::int64_t elements, double spread, const Rng& rng) {
  const DTypeFacts& facts = facts_of(dtype);
  const Block& block = block_of(dtype);
  const std::int64_t count = elements / facts.block_elements;
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * facts.block_bytes));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(rng.bits(i) >> 56);
  for (std::int64_t b = 0; b < count; ++b) {
    std::byte* at = bytes.data() + b * facts.block_bytes;
    const double factor = 1 + 0.3 * rng.uniform(bytes.size() + static_cast<std::size_t>(b));
    const auto put = [&](std::int64_t where, double value) {
      const std::uint16_t half = to_f16(value);
      std::memcpy(at + where, &half, sizeof half);
    };
    if (block.scale >= 0) put(block.scale, factor * spread / block.largest);
    if (block.scale < 0) at[0] = static_cast<std::byte>(127 + std::ilogb(factor * spread / block.largest));
    if (block.offset >= 0) put(block.offset, factor * spread * block.offset_share);
  }
  return bytes;
}

void write_tiny_gguf(const std::filesystem::path& path, std::span<const StoredTensor> tensors,
                     const nlohmann::json& config) {
  GgufWriter writer;
  writer.text("general.architecture", "glm4moe");
  const auto count = [&](std::string_view theirs, const char* ours) {
    writer.number(fmt::format("glm4moe.{}", theirs), GgufType::u32, config.at(ours).get<std::uint32_t>());
  };
  const auto number = [&](std::string_view theirs, double value) {
    writer.number(fmt::format("glm4moe.{}", theirs), GgufType::f32, static_cast<float>(value));
  };
  const auto layers =
      config.at("num_hidden_layers").get<std::uint32_t>() + config.at("num_nextn_predict_layers").get<std::uint32_t>();
  writer.number("glm4moe.block_count", GgufType::u32, layers);
  count("nextn_predict_layers", "num_nextn_predict_layers");
  count("embedding_length", "hidden_size");
  count("context_length", "max_position_embeddings");
  count("feed_forward_length", "intermediate_size");
  count("attention.head_count", "num_attention_heads");
  count("attention.head_count_kv", "num_key_value_heads");
  count("attention.key_length", "head_dim");
  count("expert_count", "n_routed_experts");
  count("expert_used_count", "num_experts_per_tok");
  count("expert_feed_forward_length", "moe_intermediate_size");
  count("expert_shared_count", "n_shared_experts");
  count("leading_dense_block_count", "first_k_dense_replace");
  number("attention.layer_norm_rms_epsilon", config.at("rms_norm_eps"));
  number("expert_weights_scale", config.at("routed_scaling_factor"));
  number("rope.freq_base", config.at("rope_theta"));
  writer.number("glm4moe.expert_weights_norm", GgufType::boolean,
                std::uint8_t{config.at("norm_topk_prob").get<bool>()});
  const double dims = config.at("head_dim").get<double>() * config.at("partial_rotary_factor").get<double>();
  writer.number("glm4moe.rope.dimension_count", GgufType::u32, static_cast<std::uint32_t>(dims));
  for (const StoredTensor& tensor : tensors) {
    const std::vector<std::uint64_t> dimensions(tensor.shape.rbegin(), tensor.shape.rend());
    const std::uint32_t id = tensor.dtype == DType::f32 ? 0 : block_of(tensor.dtype).id;
    writer.tensor(gguf_name(tensor.name), id, dimensions, {reinterpret_cast<const char*>(tensor.data), tensor.bytes});
  }
  std::ofstream(path, std::ios::binary) << writer.bytes();
}

}  // namespace specdec

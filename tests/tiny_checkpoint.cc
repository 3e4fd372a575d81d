#include "tests/tiny_checkpoint.h"

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/arch.h"
#include "core/error.h"
#include "core/rng.h"

namespace specdec {
namespace {

constexpr int kHidden = 64, kLayers = 3, kHeads = 4, kKvHeads = 2, kHeadDim = 16, kIntermediate = 96;
constexpr int kExperts = 8, kPerToken = 3, kWidth = 32;

// Collects tensors, then writes them as one file.
class Writer {
 public:
  explicit Writer(std::string_view format) : format_(format) {}

  void vector(const std::string& name, std::int64_t size, double center, double spread) {
    std::vector<float> values = draw(name, size);
    for (float& value : values) value = static_cast<float>(center + spread * value);
    store(name, DType::f32, {size}, values);
  }

  // path.weight (shape), or its MLX affine form with random codes.
  void linear(const std::string& path, std::vector<std::int64_t> shape, int bits) {
    const std::int64_t in = shape.back();
    std::int64_t elements = 1;
    for (const std::int64_t size : shape) elements *= size;
    const double spread = 1.5 / std::sqrt(static_cast<double>(in));
    if (format_ != "affine") {
      std::vector<float> values = draw(path, elements);
      for (float& value : values) value = static_cast<float>(value * spread);
      if (format_ == "f32") return store(path + ".weight", DType::f32, std::move(shape), values);
      std::vector<std::uint16_t> halves;
      for (const float value : values) halves.push_back(format_ == "bf16" ? to_bf16(value) : to_f16(value));
      return store(path + ".weight", format_ == "bf16" ? DType::bf16 : DType::f16, std::move(shape), halves);
    }
    constexpr std::int64_t kGroup = 32;
    std::vector<std::uint32_t> words(static_cast<std::size_t>(elements / 32 * bits));
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<std::uint32_t>(stream(path).bits(i) >> 32);
    shape.back() = in * bits / 32;
    store(path + ".weight", DType::u32, shape, words);
    const double step = 2 * spread / ((1 << bits) - 1);
    shape.back() = in / kGroup;
    std::vector<float> scales = draw(path + ".scales", elements / kGroup);
    std::vector<float> biases = scales;
    for (float& scale : scales) scale = static_cast<float>(step * (1 + 0.3 * scale));
    for (float& bias : biases) bias = static_cast<float>(-spread + 0.1 * spread * bias);
    store(path + ".scales", DType::f32, shape, scales);
    store(path + ".biases", DType::f32, shape, biases);
  }

  void write(const std::filesystem::path& path) const { write_safetensors(path, tensors_); }

 private:
  static std::uint16_t to_bf16(float value) {
    return static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, value) >> 16);
  }
  // Truncated; below the smallest normal number, zero.
  static std::uint16_t to_f16(float value) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
    const std::uint32_t exponent = (bits >> 23) & 255;
    const std::uint32_t magnitude = exponent < 113 ? 0 : ((exponent - 112) << 10) | ((bits >> 13) & 1023);
    return static_cast<std::uint16_t>(((bits >> 16) & 0x8000) | magnitude);
  }

  static Rng stream(const std::string& name) { return Rng(std::hash<std::string>{}(name)); }

  static std::vector<float> draw(const std::string& name, std::int64_t size) {
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(2 * stream(name).uniform(i) - 1);
    return values;
  }

  template <typename T>
  void store(const std::string& name, DType dtype, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    auto& bytes = bytes_.emplace_back(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors_.push_back({name, dtype, std::move(shape), bytes.data(), bytes.size()});
  }

  std::string_view format_;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<StoredTensor> tensors_;
};

void add_swiglu(Writer& writer, const std::string& path, std::int64_t width) {
  writer.linear(path + ".gate_proj", {width, kHidden}, 8);
  writer.linear(path + ".up_proj", {width, kHidden}, 8);
  writer.linear(path + ".down_proj", {kHidden, width}, 8);
}

void add_layer(Writer& writer, int layer, bool routed, bool biased, bool qk_norm, bool sigmoid, bool stacked) {
  const std::string path = fmt::format("model.layers.{}", layer);
  writer.vector(path + ".input_layernorm.weight", kHidden, 1, 0.3);
  writer.vector(path + ".post_attention_layernorm.weight", kHidden, 1, 0.3);
  const std::map<std::string, std::int64_t> sizes{
      {"q", kHeads * kHeadDim}, {"k", kKvHeads * kHeadDim}, {"v", kKvHeads * kHeadDim}};
  for (const auto& [name, size] : sizes) {
    const std::string projection = fmt::format("{}.self_attn.{}_proj", path, name);
    writer.linear(projection, {size, kHidden}, 8);
    if (biased) writer.vector(projection + ".bias", size, 0, 0.5);
  }
  writer.linear(path + ".self_attn.o_proj", {kHidden, kHeads * kHeadDim}, 6);
  if (qk_norm) {
    writer.vector(path + ".self_attn.q_norm.weight", kHeadDim, 1.2, 0.4);
    writer.vector(path + ".self_attn.k_norm.weight", kHeadDim, 1.2, 0.4);
  }
  if (!routed) return add_swiglu(writer, path + ".mlp", kIntermediate);
  writer.linear(path + ".mlp.gate", {kExperts, kHidden}, 8);
  if (sigmoid) writer.vector(path + ".mlp.gate.e_score_correction_bias", kExperts, 0, 0.2);
  if (stacked) {
    writer.linear(path + ".mlp.switch_mlp.gate_proj", {kExperts, kWidth, kHidden}, 4);
    writer.linear(path + ".mlp.switch_mlp.up_proj", {kExperts, kWidth, kHidden}, 4);
    writer.linear(path + ".mlp.switch_mlp.down_proj", {kExperts, kHidden, kWidth}, 3);
  } else {
    for (int e = 0; e < kExperts; ++e) add_swiglu(writer, fmt::format("{}.mlp.experts.{}", path, e), kWidth);
  }
  if (sigmoid) add_swiglu(writer, path + ".mlp.shared_experts", kWidth);
}

}  // namespace

TinyCheckpoint::TinyCheckpoint(std::string_view name) {
  static int count = 0;
  directory_ = std::filesystem::temp_directory_path() / fmt::format("specdec-{}-{}", getpid(), count++);
  std::filesystem::create_directories(directory_);
  // An architecture's name, with the weight format after a colon unless it is f32.
  const std::size_t colon = name.find(':');
  const std::string type(name.substr(0, colon));
  const std::string_view format = colon == std::string_view::npos ? "f32" : name.substr(colon + 1);
  const bool affine = format == "affine";
  const bool glm = type == "glm4_moe";
  const bool moe = type.ends_with("_moe");
  const bool tied = type == "qwen2";
  nlohmann::json config{
      {"model_type", type},           {"vocab_size", kTinyVocab},           {"hidden_size", kHidden},
      {"num_hidden_layers", kLayers}, {"num_attention_heads", kHeads},      {"num_key_value_heads", kKvHeads},
      {"head_dim", kHeadDim},         {"intermediate_size", kIntermediate}, {"rms_norm_eps", 1e-5},
      {"hidden_act", "silu"},         {"tie_word_embeddings", tied},        {"max_position_embeddings", 512},
      {"rope_theta", 10000.0}};
  if (moe) {
    config.update({{"moe_intermediate_size", kWidth}, {"num_experts_per_tok", kPerToken}, {"norm_topk_prob", true}});
    config[glm ? "n_routed_experts" : "num_experts"] = kExperts;
  }
  if (glm) {
    config.update({{"n_shared_experts", 1},
                   {"first_k_dense_replace", 1},
                   {"routed_scaling_factor", 1.5},
                   {"partial_rotary_factor", 0.5},
                   {"use_qk_norm", true},
                   {"attention_bias", true},
                   {"num_nextn_predict_layers", 1}});
  }
  std::ofstream(directory_ / "config.json") << config.dump(2);

  Writer writer(format);
  const bool biased = glm || type == "qwen2";
  const bool qk_norm = glm || type.starts_with("qwen3");
  writer.linear("model.embed_tokens", {kTinyVocab, kHidden}, 5);
  for (int layer = 0; layer < kLayers; ++layer) {
    add_layer(writer, layer, moe && !(glm && layer == 0), biased, qk_norm, glm, affine);
  }
  writer.vector("model.norm.weight", kHidden, 1, 0.3);
  if (!tied) writer.linear("lm_head", {kTinyVocab, kHidden}, 2);
  if (glm) {
    const std::string mtp = fmt::format("model.layers.{}", kLayers);
    add_layer(writer, kLayers, true, biased, qk_norm, glm, affine);
    for (const char* norm : {".enorm", ".hnorm", ".shared_head.norm"})
      writer.vector(mtp + norm + ".weight", kHidden, 1, 0.3);
    writer.linear(mtp + ".eh_proj", {kHidden, 2 * kHidden}, 8);
  }
  writer.write(directory_ / "model.safetensors");
}

TinyCheckpoint::~TinyCheckpoint() { std::filesystem::remove_all(directory_); }

std::vector<std::string> tiny_checkpoints() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures()) names.emplace_back(architecture.name);
  for (const QuantFormat& format : quant_formats()) {
    if (format.name != "f32") names.push_back(fmt::format("glm4_moe:{}", format.name));
  }
  return names;
}

}  // namespace specdec

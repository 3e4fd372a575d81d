#include "tests/tiny_checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/arch.h"
#include "core/error.h"
#include "core/files/safetensors.h"
#include "core/rng.h"
#include "tests/tiny_gguf.h"

namespace specdec {
namespace {

constexpr int kHidden = 64, kLayers = 3, kHeads = 4, kKvHeads = 2, kHeadDim = 16;
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

  // A linear map with random weights in the writer's format; of affine, with so many bits.
  void linear(const std::string& path, std::vector<std::int64_t> shape, int bits) {
    const double spread = 1.5 / std::sqrt(static_cast<double>(shape.back()));
    const Map map{path, std::move(shape), spread};
    if (format_ == "affine") return affine(map, bits);
    if (format_ == "f32") return store(path + ".weight", DType::f32, map.shape, floats(map));
    if (format_ == "bf16") return store(path + ".weight", DType::bf16, map.shape, halves(floats(map), to_bf16));
    if (format_ == "f16") return store(path + ".weight", DType::f16, map.shape, halves(floats(map), to_f16));
    if (format_ == "fp8") {
      store(path + ".weight", DType::f8_e4m3, map.shape, e4m3(path, map.elements()));
      const auto blocks = [](std::int64_t size) { return (size + 127) / 128; };
      const std::int64_t out = map.elements() / map.in();
      return store(path + ".weight_scale_inv", DType::f32, {blocks(out), blocks(map.in())},
                   std::vector<float>(static_cast<std::size_t>(blocks(out) * blocks(map.in())), map.scale()));
    }
    if (format_ == "mxfp8") {
      store(path + ".weight", DType::u32, map.ending(map.in() / 4), e4m3(path, map.elements()));
      return store(path + ".scales", DType::u8, map.ending(map.in() / 32), powers(map, 32));
    }
    if (format_ == "mxfp4" || format_ == "nvfp4") {
      store(path + ".weight", DType::u32, map.ending(map.in() / 8), bytes(path, map.elements() / 2));
      const std::int64_t group = format_ == "mxfp4" ? 32 : 16;
      const auto scales = format_ == "mxfp4" ? powers(map, group) : small_scales(map, group);
      return store(path + ".scales", DType::u8, map.ending(map.in() / group), scales);
    }
    if (format_ == "int4_packed") {
      store(path + ".weight_packed", DType::i32, map.ending(map.in() / 8), bytes(path, map.elements() / 2));
      std::vector<float> scales = draw(path + ".scales", map.elements() / 32);
      for (float& scale : scales) scale = map.scale() * (1 + 0.3f * scale);
      store(path + ".weight_scale", DType::bf16, map.ending(map.in() / 32), halves(scales, to_bf16));
      return store(path + ".weight_shape", DType::i64, {2}, map.shape);
    }
    if (format_ == "nvfp4_packed" || format_ == "nvfp4_modelopt") {
      const bool packed = format_ == "nvfp4_packed";
      store(path + (packed ? ".weight_packed" : ".weight"), DType::u8, map.ending(map.in() / 2),
            bytes(path, map.elements() / 2));
      store(path + ".weight_scale", DType::f8_e4m3, map.ending(map.in() / 16), e4m3_scales(path, map.elements() / 16));
      const float factor = map.scale();
      return store(path + (packed ? ".weight_global_scale" : ".weight_scale_2"), DType::f32, {1},
                   std::vector<float>{packed ? 1 / factor : factor});
    }
    if (format_ == "mxfp4_blocks") {
      std::vector<std::int64_t> blocks = map.ending(map.in() / 32);
      blocks.push_back(16);
      store(path + "_blocks", DType::u8, blocks, bytes(path, map.elements() / 2));
      return store(path + "_scales", DType::u8, map.ending(map.in() / 32), powers(map, 32));
    }
    if (std::optional<DType> blocks = block_type(format_)) {
      if (map.in() % facts_of(*blocks).block_elements != 0) blocks = DType::q8_0;  // as llama.cpp's converter does
      return store(path + ".weight", *blocks, map.shape, random_blocks(*blocks, map.elements(), spread, stream(path)));
    }
    throw Error("tests/tiny_checkpoint.cc does not know how to write {}", format_);
  }

  void write(const std::filesystem::path& directory, const nlohmann::json& config) const {
    if (block_type(format_)) return write_tiny_gguf(directory / "model.gguf", tensors_, config);
    std::ofstream(directory / "config.json") << config.dump(2);
    write_safetensors(directory / "model.safetensors", tensors_);
  }

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

  // What is to be written.
  struct Map {
    std::string path;
    std::vector<std::int64_t> shape;
    double spread;
    std::int64_t in() const { return shape.back(); }
    std::int64_t elements() const {
      std::int64_t count = 1;
      for (const std::int64_t size : shape) count *= size;
      return count;
    }
    std::vector<std::int64_t> ending(std::int64_t last) const {
      std::vector<std::int64_t> other = shape;
      other.back() = last;
      return other;
    }
    float scale() const { return static_cast<float>(spread / 4); }  // codes are of about this size
  };

  static std::vector<float> floats(const Map& map) {
    std::vector<float> values = draw(map.path, map.elements());
    for (float& value : values) value = static_cast<float>(value * map.spread);
    return values;
  }

  static std::vector<std::uint16_t> halves(const std::vector<float>& values, std::uint16_t (*narrow)(float)) {
    std::vector<std::uint16_t> out;
    for (const float value : values) out.push_back(narrow(value));
    return out;
  }

  static std::vector<std::uint8_t> bytes(const std::string& name, std::int64_t count) {
    std::vector<std::uint8_t> out(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(stream(name).bits(i) >> 56);
    return out;
  }

  // Floats of 8 bits from an eighth to four, and their negatives; without signs and down to a half.
  static std::vector<std::uint8_t> e4m3(const std::string& name, std::int64_t count) {
    std::vector<std::uint8_t> out = bytes(name, count);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>((byte & 0x80) | (0x20 + byte % 0x28));
    return out;
  }
  static std::vector<std::uint8_t> e4m3_scales(const std::string& name, std::int64_t count) {
    std::vector<std::uint8_t> out = bytes(name + ".scales", count);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(0x30 + byte % 0x10);
    return out;
  }

  // A scale for each group: a power of two, or a float of 8 bits.
  static std::vector<std::uint8_t> powers(const Map& map, std::int64_t group) {
    std::vector<std::uint8_t> out = bytes(map.path + ".scales", map.elements() / group);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(127 + std::ilogb(map.scale()) + byte % 2);
    return out;
  }
  static std::vector<std::uint8_t> small_scales(const Map& map, std::int64_t group) {
    std::vector<std::uint8_t> out = bytes(map.path + ".scales", map.elements() / group);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(8 * (7 + std::ilogb(map.scale())) + byte % 8);
    return out;
  }

  void affine(const Map& map, int bits) {
    constexpr std::int64_t kGroup = 32;
    store(map.path + ".weight", DType::u32, map.ending(map.in() * bits / 32),
          bytes(map.path, map.elements() * bits / 8));
    const double step = 2 * map.spread / ((1 << bits) - 1);
    std::vector<float> scales = draw(map.path + ".scales", map.elements() / kGroup);
    std::vector<float> biases = scales;
    for (float& scale : scales) scale = static_cast<float>(step * (1 + 0.3 * scale));
    for (float& bias : biases) bias = static_cast<float>(-map.spread + 0.1 * map.spread * bias);
    store(map.path + ".scales", DType::f32, map.ending(map.in() / kGroup), scales);
    store(map.path + ".biases", DType::f32, map.ending(map.in() / kGroup), biases);
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

void add_layer(Writer& writer, int layer, bool routed, int intermediate, bool biased, bool qk_norm, bool sigmoid,
               bool stacked) {
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
  if (!routed) return add_swiglu(writer, path + ".mlp", intermediate);
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

constexpr std::array<std::string_view, 5> kWritten{"llama", "qwen2", "qwen3", "qwen3_moe", "glm4_moe"};

// Those that compute otherwise than the one of their architecture.
constexpr std::array<std::string_view, 12> kMore{"deepseek_v2_groups", "deepseek_v3_plain",      "gemma3_softcap",
                                                 "glm_moe_dsa_full",   "gpt_oss_mxfp4",          "mixtral_window",
                                                 "nemotron_h_list",    "nemotron_h_saved",       "olmoe_clip",
                                                 "qwen3_moe_window",   "qwen3_next_dense_layer", "qwen3_proportional"};

// A checkpoint of that name among kMore, or of that architecture among those of tests/data/models, which have
// kTinyVocab ids, too: with an MTP layer if there is one, else that of its name, else the last that has the published
// tensors.
std::filesystem::path golden_of(std::string_view architecture) {
  const std::filesystem::path models = std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/models";
  if (std::ranges::find(kMore, architecture) != kMore.end()) return models / architecture;
  std::map<std::tuple<bool, bool, std::string>, std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("mlx_") || read_config(entry.path()).text("model_type", "") != architecture) continue;
    found[{name.ends_with("_mtp"), name == architecture, name}] = entry.path();
  }
  if (found.empty()) {
    throw Error("{}: no checkpoint of {}; expected one for every architecture", models.string(), architecture);
  }
  return found.rbegin()->second;
}

}  // namespace

TinyCheckpoint::TinyCheckpoint(std::string_view name) {
  static int count = 0;
  directory_ = std::filesystem::temp_directory_path() / fmt::format("specdec-{}-{}", getpid(), count++);
  std::filesystem::create_directories(directory_);
  if (std::ranges::find(kWritten, name.substr(0, name.find(':'))) == kWritten.end()) {
    std::filesystem::copy(golden_of(name), directory_);
    intermediate_ = 0;
    return;
  }
  // An architecture's name, with the weight format after a colon unless it is f32.
  const std::size_t colon = name.find(':');
  const std::string type(name.substr(0, colon));
  const std::string_view format = colon == std::string_view::npos ? "f32" : name.substr(colon + 1);
  const std::optional<DType> blocks = block_type(format);
  intermediate_ = blocks && facts_of(*blocks).block_elements > 32 ? 256 : 96;
  const bool stacked =
      blocks || format == "affine" || format == "mxfp4" || format == "mxfp8" || format == "nvfp4";  // MLX's
  const bool glm = type == "glm4_moe";
  const bool moe = type.ends_with("_moe");
  const bool tied = type == "qwen2";
  nlohmann::json config{
      {"model_type", type},           {"vocab_size", kTinyVocab},           {"hidden_size", kHidden},
      {"num_hidden_layers", kLayers}, {"num_attention_heads", kHeads},      {"num_key_value_heads", kKvHeads},
      {"head_dim", kHeadDim},         {"intermediate_size", intermediate_}, {"rms_norm_eps", 1e-5},
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

  Writer writer(format);
  const bool biased = glm || type == "qwen2";
  const bool qk_norm = glm || type.starts_with("qwen3");
  writer.linear("model.embed_tokens", {kTinyVocab, kHidden}, 5);
  for (int layer = 0; layer < kLayers; ++layer) {
    add_layer(writer, layer, moe && !(glm && layer == 0), intermediate_, biased, qk_norm, glm, stacked);
  }
  writer.vector("model.norm.weight", kHidden, 1, 0.3);
  if (!tied) writer.linear("lm_head", {kTinyVocab, kHidden}, 2);
  if (glm) {
    const std::string mtp = fmt::format("model.layers.{}", kLayers);
    add_layer(writer, kLayers, true, intermediate_, biased, qk_norm, glm, stacked);
    for (const char* norm : {".enorm", ".hnorm", ".shared_head.norm"})
      writer.vector(mtp + norm + ".weight", kHidden, 1, 0.3);
    writer.linear(mtp + ".eh_proj", {kHidden, 2 * kHidden}, 8);
  }
  writer.write(directory_, config);
}

TinyCheckpoint::~TinyCheckpoint() { std::filesystem::remove_all(directory_); }

std::vector<std::string> tiny_checkpoints() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures()) names.emplace_back(architecture.name);
  names.insert(names.end(), kMore.begin(), kMore.end());
  for (const QuantFormat& format : quant_formats()) {
    if (format.name != "f32") names.push_back(fmt::format("glm4_moe:{}", format.name));
  }
  return names;
}

}  // namespace specdec

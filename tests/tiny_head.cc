#include "tests/tiny_head.h"

#include <cmath>
#include <cstring>
#include <fstream>

#include "core/files/safetensors.h"
#include "core/rng.h"

namespace specdec {
namespace {

constexpr std::int64_t kEvery = 3, kIntermediate = 32;

void add_layer(TinyHead& head, const std::string& layer, std::int64_t hidden, std::int64_t read) {
  for (const char* name : {"q", "k", "v"})
    head.tensors[layer + ".self_attn." + name + "_proj.weight"] = {.shape = {hidden, read}};
  head.tensors[layer + ".self_attn.o_proj.weight"] = {.shape = {hidden, hidden}};
  head.tensors[layer + ".mlp.gate_proj.weight"] = {.shape = {kIntermediate, hidden}};
  head.tensors[layer + ".mlp.up_proj.weight"] = {.shape = {kIntermediate, hidden}};
  head.tensors[layer + ".mlp.down_proj.weight"] = {.shape = {hidden, kIntermediate}};
  head.tensors[layer + ".post_attention_layernorm.weight"] = {.shape = {hidden}};
}

TinyHead eagle3(const TinyTarget& target, const std::string& layer) {
  TinyHead head;
  add_layer(head, layer, target.hidden, 2 * target.hidden);
  for (const std::string& norm : {layer + ".input_layernorm", layer + ".hidden_norm", std::string("norm")})
    head.tensors[norm + ".weight"] = {.shape = {target.hidden}};
  const std::int64_t ids = target.vocab / kEvery;
  head.tensors["fc.weight"] = {.shape = {target.hidden, 3 * target.hidden}};
  head.tensors["lm_head.weight"] = {.shape = {ids, target.hidden}};
  TinyTensor& map = head.tensors["d2t"] = {DType::i64, {ids}};
  TinyTensor& mask = head.tensors["t2d"] = {DType::boolean, {target.vocab}};
  for (std::int64_t id = 0; id < ids; ++id) map.integers.push_back((kEvery - 1) * id);
  for (std::int64_t id = 0; id < target.vocab; ++id) mask.integers.push_back(id % kEvery == 0 ? 1 : 0);
  return head;
}

// A matrix around 0, a norm's weights around 1.
void draw(const Rng& rng, const std::vector<std::int64_t>& shape, std::vector<std::byte>& data) {
  const double centre = shape.size() == 1 ? 1 : 0;
  const double spread = shape.size() == 1 ? 0.3 : 3 / std::sqrt(static_cast<double>(shape.back()));
  for (std::size_t i = 0; i < data.size() / 2; ++i) {
    const auto value = static_cast<float>(centre + spread * (2 * rng.uniform(i) - 1));
    std::memcpy(data.data() + 2 * i, reinterpret_cast<const std::byte*>(&value) + 2, 2);  // its upper half
  }
}

}  // namespace

void TinyHead::write(const std::filesystem::path& directory) const {
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "config.json") << config.dump(2);
  std::vector<std::vector<std::byte>> bytes;
  std::vector<StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) {
    StoredTensor one{name, tensor.dtype, tensor.shape};
    const std::size_t size = bytes_of(tensor.dtype);
    std::vector<std::byte>& data = bytes.emplace_back(bytes_needed(tensor.shape, tensor.dtype, name));
    for (std::size_t i = 0; i < tensor.integers.size(); ++i)
      std::memcpy(data.data() + i * size, &tensor.integers[i], size);  // little-endian
    if (seed && tensor.dtype == DType::bf16) draw(Rng(*seed).fork(stored.size()), tensor.shape, data);
    one.data = data.data();
    one.bytes = data.size();
    stored.push_back(std::move(one));
  }
  write_safetensors(directory / "model.safetensors", stored);
}

TinyHead tiny_eagle3(const TinyTarget& target) {
  TinyHead head = eagle3(target, "midlayer");
  head.config = {{"architectures", {"LlamaForCausalLMEagle3"}},
                 {"model_type", "llama"},
                 {"hidden_size", target.hidden},
                 {"num_hidden_layers", 1},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 4},
                 {"intermediate_size", kIntermediate},
                 {"vocab_size", target.vocab},
                 {"draft_vocab_size", target.vocab / kEvery},
                 {"eagle_config", {{"eagle_aux_hidden_state_layer_ids", {0, 1, target.layers - 1}}}}};
  return head;
}

TinyHead tiny_eagle3_speculators(const TinyTarget& target) {
  TinyHead head = eagle3(target, "layers.0");
  head.tensors["embed_tokens.weight"] = {.shape = {target.vocab, target.hidden}};
  head.config = {{"speculators_model_type", "eagle3"},
                 {"architectures", {"Eagle3DraftModel"}},
                 {"draft_vocab_size", target.vocab / kEvery},
                 {"target_hidden_size", target.hidden},
                 {"eagle_aux_hidden_state_layer_ids", {1, 2, target.layers}},
                 {"transformer_layer_config",
                  {{"model_type", "llama"},
                   {"hidden_size", target.hidden},
                   {"num_hidden_layers", 1},
                   {"num_attention_heads", 4},
                   {"intermediate_size", kIntermediate},
                   {"vocab_size", target.vocab}}},
                 {"speculators_config", {{"algorithm", "eagle3"}, {"verifier", {{"name_or_path", "org/Tiny-7B"}}}}}};
  return head;
}

TinyHead tiny_eagle(const TinyTarget& target) {
  TinyHead head;
  add_layer(head, "layers.0", target.hidden, target.hidden);
  head.tensors["fc.weight"] = {.shape = {target.hidden, 2 * target.hidden}};
  head.tensors["embed_tokens.weight"] = {.shape = {target.vocab, target.hidden}};
  head.config = {{"model_type", "llama"},    {"hidden_size", target.hidden},       {"num_hidden_layers", 1},
                 {"num_attention_heads", 4}, {"intermediate_size", kIntermediate}, {"vocab_size", target.vocab}};
  return head;
}

}  // namespace specdec

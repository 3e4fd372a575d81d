// The tensors of a model, from its config.json alone, whether or not this version runs it. What parameters and bytes
// are counted from: the one place. A family of models is a file, core/inventory/<family>.cc.
//   const Inventory inventory = take_inventory(ConfigReader::of_file("config.json"));
//   const Account account = account_of(inventory, uniform_storage(parse_storage("mxfp4"), parse_storage("bf16")));
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/model.h"
#include "core/storage.h"

namespace specdec {

enum class Group { embedding, head, attention, indexer, dense, router, shared, latent, routed, other };
inline constexpr std::size_t kGroups = 10;
std::string_view name_of(Group group);

// Where a tensor belongs, by its name. `other` is everything small: norms, biases, convolutions.
struct Place {
  Group group = Group::other;
  int layer = -1;    // -1 = of none
  bool mtp = false;  // of a multi-token-prediction layer: under mtp., or a layer beyond the trunk
};
Place place_of(std::string_view name, int trunk_layers);

struct TensorSpec {
  std::string name;  // as published; "*" stands for each routed expert
  std::vector<std::int64_t> shape;
  std::int64_t copies = 1;  // experts that "*" stands for

  std::int64_t elements() const;  // of all copies
  bool is_matrix() const;         // a map that weight formats are for, not a bias or a norm
};

// What decoding keeps, in values.
struct CacheShape {
  std::int64_t per_position = 0;  // keys and values, or latents, of all layers
  std::int64_t windowed = 0;      // those of them that only the last `window` positions keep
  int window = 0;
  std::int64_t index_keys = 0;         // of sparse attention, per position
  std::int64_t states = 0, tails = 0;  // of a sequence: recurrent states, and what convolutions look back at

  // As models mean it: 16-bit values, and states in float32.
  static constexpr std::int64_t kValueBytes = 2;
  std::int64_t state_bytes() const { return 4 * states + kValueBytes * tails; }
  std::int64_t bytes_at(std::int64_t context) const;

  // As specdec keeps it with a cache of 16-bit values. Windows have room for guesses beside them, in whole chunks;
  // a wider prefill pass adds its rows. Index keys decide what is seen, so they are float32, and so is
  // what convolutions look back at; states are there twice, as committed and as the rows guessed since leave them.
  static constexpr std::int64_t kIndexBytesHere = 4;
  std::int64_t state_bytes_here() const { return 8 * states + 4 * tails; }
  std::int64_t kept_at(std::int64_t context) const;
};

struct Inventory {
  std::string origin, model_type;  // the config.json, and what it says it is
  int layers = 0, vocab = 0, hidden = 0, context = 0;
  int experts = 0, experts_per_token = 0;
  bool tied = false;        // the head is the embedding
  int mtp_head_layers = 0;  // that an MTP head has under mtp.; 0: MTP layers follow those of the trunk
  std::vector<TensorSpec> tensors;
  std::vector<std::string>
      copies;  // names of others, which an MTP layer stores although the trunk has them: not counted
  CacheShape cache;
  std::vector<std::string> notes;  // what is left out, for people
};

struct InventoryKind {
  std::string_view name, summary;
  std::vector<std::string_view> model_types;
  Inventory (*take)(const ConfigReader& config);
};
std::span<const InventoryKind> inventory_kinds();

// Throws Error if no family knows the model_type, a size is missing or absurd.
Inventory take_inventory(const ConfigReader& config);
bool has_inventory(std::string_view model_type);
// The part of a config.json that describes the language model: text_config if there is one. Throws Error if that is
// missing, or of another model.
ConfigReader text_part(const ConfigReader& config);
// That of a gemma3, with what published ones leave to the class.
ConfigReader gemma3_text(const ConfigReader& config);

// How a tensor is stored. Routers, norms and other small tensors are bf16 in all of these.
using StorageRule = std::function<Storage(const TensorSpec&, Group)>;
StorageRule uniform_storage(Storage experts, Storage rest);

struct GroupCount {
  std::int64_t tensors = 0, parameters = 0, bytes = 0;
};
using GroupCounts = std::array<GroupCount, kGroups>;
GroupCount sum_of(const GroupCounts& groups);

struct Account {
  GroupCounts trunk, mtp;
  WeightBytes weights;                 // of the trunk
  WeightBytes mtp_weights;             // of the first MTP layer, with the head that it reads
  std::int64_t total_parameters = 0;   // of the trunk
  std::int64_t active_parameters = 0;  // that a token reads: of the embedding one row, counted as nothing
  std::int64_t parameters_per_expert = 0;
  int routed_layers = 0;

  // Expected bytes of a pass of so many rows that route evenly and independently.
  double bytes_of_rows(const Inventory& inventory, int rows) const;
};
Account account_of(const Inventory& inventory, const StorageRule& storage);

// Bytes by group, and of the routed experts by layer: what WeightBytes are made of, whoever counts.
struct StoredBytes {
  std::array<std::int64_t, kGroups> groups{};
  std::vector<std::int64_t> routed;  // of each layer

  void add(const Place& place, std::int64_t bytes);
  // Of the MTP layer that is chained when several are stored, as if it were layer 0; nothing if the place is another.
  void add_first_mtp(const Place& place, int trunk_layers, std::int64_t bytes);
  std::int64_t of(Group group) const { return groups[static_cast<std::size_t>(group)]; }
  // `head`: bytes of the head that passes read, which may be the embedding or another model's.
  WeightBytes weights(int experts, std::int64_t head, std::int64_t embedding_row) const;
};

// For the families.

// A size that config.json gives, of at most 2^24.
std::int64_t size_of(const ConfigReader& config, std::string_view key);
std::int64_t size_of(const ConfigReader& config, std::string_view key, std::int64_t fallback);
// The sizes that all families spell alike; `layers` if num_hidden_layers is not asked.
Inventory begin_inventory(const ConfigReader& config, bool tied_fallback = false, int layers = 0);
void read_experts(const ConfigReader& config, Inventory& inventory, std::string_view experts_key);
void expect_experts_per_token(const ConfigReader& config, int per_token, int experts);
// Throws Error if a size is missing or the tensor absurdly large.
void add(Inventory& inventory, std::string name, std::initializer_list<std::int64_t> shape, std::int64_t copies = 1);
void add_embedding_and_head(Inventory& inventory, const std::string& embedding, const std::string& head = "lm_head");
// `path`.gate_proj, up_proj and down_proj; with "*" in the path, of every expert.
void add_swiglu(Inventory& inventory, const std::string& path, std::int64_t width, bool biased = false);

struct GqaShape {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, output_bias = false, qk_norm = false;
  int query_parts = 1;  // 2: a gate besides every query
};
GqaShape read_gqa(const ConfigReader& config, std::int64_t head_dim_fallback = 0);
// Counts its keys and values as of a trunk's layer, with or without a window, or of none (an MTP layer).
enum class Keeps { all, window, nothing };
void add_gqa(Inventory& inventory, const std::string& path, const GqaShape& gqa, Keeps keeps = Keeps::all);

// As core/windows.h; the inventory's window is set.
std::vector<bool> windowed_layers(const ConfigReader& config, Inventory& inventory);

// Of the sizes of a cache or a state. Throws Error if it is absurd.
std::int64_t product(const Inventory& inventory, std::initializer_list<std::int64_t> sizes);

// Of DeepSeek's and its heirs.
int deepseek_shared_experts(const ConfigReader& config);
bool deepseek_mlp_bias(const ConfigReader& config);

// What DeepSeek-V3 (arXiv 2412.19437) adds to the decoder layer `path` that predicts a further token.
void add_deepseek_mtp(Inventory& inventory, const std::string& path);
// That its layer has the embedding and the head again.
void add_mtp_copies(Inventory& inventory, const std::string& path);

}  // namespace specdec

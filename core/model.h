// The target-model engine as the rest of specdec sees it.
//   Engine engine({.threads = 2});
//   auto model = load_model("models/demo-moe", engine);
//   auto state = model->new_state(512);
//   Output out = model->forward({{TokenId{5}, TokenId{9}}, {-1, 0}}, *state, {});   // a chain of two rows
//   state->commit(std::array{0, 1});
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/state.h"
#include "core/tensor.h"
#include "core/types.h"

namespace specdec {

class Engine;
class ExpertStore;
struct Weight;

// Rows of one pass. A row's parent is an earlier row of this batch or a row that is still pending from a forward since
// the last commit (pending rows are numbered from 0 in the order of appending); -1 = the last committed position.
struct Batch {
  std::vector<TokenId> tokens;
  std::vector<int> parents;
};

// What the caller wants to see besides doing the pass.
struct Taps {
  std::vector<int> layers;  // hidden states wanted: output of layer i; -1 = after the final norm
  bool logits = true;       // false while prefilling: the head is not read
};

// Routed expert `expert` of layer `layer` was applied to row `row` of the batch.
struct RouterUse {
  int row, layer, expert;
};
using RouterTrace = std::span<const RouterUse>;

// Views of buffers that State owns, valid until the next forward on the same State.
struct Output {
  MatView logits{nullptr, 0, 0};    // (rows, vocab), or (rows, head_tokens) of a DraftHead
  std::span<const MatView> hidden;  // one (rows, hidden) per tapped layer, in the order asked for
  RouterTrace routed;               // by layer, then row, then ascending expert
};

// Bytes of weights as stored in the checkpoint; what a pass reads is
// fixed + rows * embedding_row + sum over layers of expert[layer] * (distinct experts of that layer).
struct WeightBytes {
  std::int64_t fixed = 0;  // read by every pass whatever its width: attention, dense, shared, router, norms, head
  std::int64_t head = 0;   // the part of `fixed` that is the output head
  std::int64_t embedding_row = 0;    // one row of the input embedding
  std::vector<std::int64_t> expert;  // one routed expert of each layer; 0 for a dense layer
  std::int64_t total = 0;            // all weights of the model, without MTP layers
};

// What everybody may want to know of a model. 0 experts = dense.
struct ModelInfo {
  std::string architecture;  // its kind's name, e.g. "glm4_moe"
  std::string path;          // the directory or file it was loaded from
  std::string hash;          // of config.json, the tensor headers and a sample of the data, 16 hex digits
  int vocab = 0;             // rows of the output head
  int hidden = 0;
  int layers = 0;
  int context = 0;  // max_position_embeddings
  int experts = 0, experts_per_token = 0, shared_experts = 0;
  int mtp_layers = 0;
  std::optional<TokenId> bos;
  std::vector<TokenId> eos;  // of config.json and generation_config.json
};

// Rows of a pass whose logits are computed: the head is a large part of a small model.
enum class LogitRows { all, last, none };

// Whether rows of states are the target's, one of each tapped layer side by side, or what the head carried on.
enum class HeadStates { of_target, carried };

// How the states of an MTP layer are read and made. The weights do not say, and the wrong way costs acceptance only.
struct HeadReading {
  bool normed_states = true;    // the target's are those after its final norm, else its last layer's output
  bool embedding_first = true;  // of the two vectors that are joined
  bool normed_carried = true;   // what it carries on is that after its own norm

  bool operator==(const HeadReading&) const = default;
};
std::string name_of(const HeadReading& reading);  // "after-norm+embedding-first+carry-normed"

// A head that guesses from hidden states of a target: a multi-token-prediction layer stored with the model
// (DeepSeek-V3, arXiv 2412.19437, section 2.2), or an EAGLE head beside it (core/eagle.h). Const, like Model.
class DraftHead {
 public:
  virtual ~DraftHead() = default;
  virtual std::unique_ptr<State> new_state(int capacity) const = 0;

  virtual std::span<const int> taps() const = 0;  // the layers of the target that it reads, as in Taps
  virtual int hidden() const = 0;                 // width of what it carries on

  // Row i consumes batch.tokens[i] (the token after the one that made the state) and states.row(i), and predicts the
  // token after. Output::hidden[0] is the state to carry on; logits are (rows asked for, head_tokens().size()).
  virtual Output forward(const Batch& batch, const MatView& states, HeadStates whose, State& state,
                         LogitRows logits = LogitRows::all) const = 0;

  // The target token of each logit column; empty = the whole vocabulary.
  virtual std::span<const TokenId> head_tokens() const = 0;
  virtual const WeightBytes& bytes() const = 0;
  virtual std::int64_t joining_bytes() const { return 0; }  // of bytes().fixed, what only states of the target need
  virtual std::string about() const { return ""; }          // what it is and reads, in a line; empty: nothing to say

  // The same weights read this way. Does not outlive this head. Null if it can be read in one way only.
  virtual std::unique_ptr<DraftHead> with(const HeadReading&) const { return nullptr; }
};

// What a head may share of its target; null where there is none.
struct SharedWeights {
  const Weight* embedding = nullptr;
  const Weight* head = nullptr;
};

// What a model leaves out when it does a part of its work.
struct Shortcut {
  std::optional<int> experts_per_token;  // routed ones of a row, at most as many as it takes; 0: shared ones alone
  std::vector<int> skipped{};            // layers, ascending
  // In a pass of several rows each layer reads at most so many routed ones: those with the largest sum of weights.
  // What else a row chose is left out, and what it keeps takes the place. So rows depend on one another.
  std::optional<int> experts_per_pass{};
};

// const: everything that changes is in State, but for the experts that ExpertStore packs. Thread-compatible; one Engine
// runs one forward at a time.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  virtual const WeightBytes& bytes() const = 0;
  virtual std::unique_ptr<State> new_state(int capacity) const = 0;

  // Appends the rows of `batch` to `state`. Row i is bit for bit what a pass of that row alone would give.
  virtual Output forward(const Batch& batch, State& state, const Taps& taps) const = 0;

  // The same weights with less work, so cheaper and less right. It runs on States of this model, whatever rows they
  // hold, and does not outlive it. Null if this model cannot.
  virtual std::unique_ptr<Model> with(const Shortcut&) const { return nullptr; }

  virtual const DraftHead* mtp() const { return nullptr; }
  virtual SharedWeights shared_weights() const { return {}; }
  // Where its routed experts are, those of the MTP layer among them; null if it has none.
  virtual ExpertStore* experts() const { return nullptr; }
};

// Loads a checkpoint (core/checkpoint.h). Throws Error with what is wrong and where.
std::unique_ptr<Model> load_model(const std::filesystem::path& path, Engine& engine);

}  // namespace specdec

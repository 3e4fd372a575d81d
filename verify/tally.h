// Figures of a run, counted from its step records: acceptance, experts, bytes, times. Pure functions.
//   const Tally plain = tally_of(plain_records, model->info(), model->bytes());
//   const Tally tally = tally_of(records, model->info(), model->bytes());
//   const Comparison pays = compare(tally, plain);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model.h"
#include "verify/session.h"

namespace specdec {

// Guesses that were tested. By distance from the anchor: where all before them were accepted. By rank among siblings:
// where their elders were rejected, too.
struct PositionTally {
  std::int64_t tested = 0;
  std::int64_t accepted = 0;
  double rate() const { return tested == 0 ? 0 : static_cast<double>(accepted) / static_cast<double>(tested); }
};

// Pairs of a row and the row before it, and the experts that both of them chose, in one layer.
struct SharedTally {
  std::int64_t pairs = 0, shared = 0;
  double mean() const { return pairs == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(pairs); }
  SharedTally& operator+=(const SharedTally& other);
};

// Which pairs. Rows that stayed choose like the text; rows that were rejected may not.
struct Neighbours {
  SharedTally kept;              // both rows stayed
  SharedTally refused;           // the second one was rejected, where the first one stayed
  SharedTally corrected;         // the first one again, and what the target said instead: the anchor of the next step
  SharedTally beyond;            // both were rejected
  SharedTally rejected() const;  // refused and beyond: all rejected rows
  Neighbours& operator+=(const Neighbours& other);
};

// k^2 / E: experts that two rows share if each chose its own independently and evenly.
double uniform_overlap(int experts, int experts_per_token);

// Routed experts of one layer, means per pass.
struct LayerTally {
  int layer = 0;
  double woken = 0;          // distinct experts over all rows
  double uniform = 0;        // uniform_union of the same passes
  double accepted = 0;       // distinct experts over the rows that stayed
  double rejected_only = 0;  // woken by rejected rows alone
  Neighbours overlap;
};

// Bytes of weights read, totals of the run.
struct BytesTally {
  std::int64_t draft = 0;     // the drafter's own passes
  std::int64_t accepted = 0;  // what passes of the rows that stayed would have read
  std::int64_t rejected = 0;  // the rest of the target's passes
  std::int64_t total() const { return draft + accepted + rejected; }
};

struct Tally {
  std::int64_t steps = 0, tokens = 0, rows = 0, drafted = 0, accepted = 0, rejections = 0, draft_passes = 0;
  std::int64_t retokenised = 0;          // tokens that the drafter read as text
  double tokens_per_pass = 0;            // accepted guesses and the one more token
  double alpha = 0;                      // sum a / (sum a + rejections): maximum likelihood under right censoring
  std::vector<PositionTally> positions;  // [0]: the first guess after the anchor
  std::vector<PositionTally> ranks;      // [0]: the first child of its parent
  double repeated_ngrams = 0;            // share of the generated 4-grams that occurred before in the generated text
  std::vector<LayerTally> layers;        // those with routed experts
  Neighbours overlap;                    // of all these layers: pairs of each of them
  BytesTally bytes;
  double plain_bytes = 0;  // per token: what decoding the same text one row at a time reads
  StepTimes times;

  double bytes_per_token() const {
    return tokens == 0 ? 0 : static_cast<double>(bytes.total()) / static_cast<double>(tokens);
  }
  double seconds_per_token() const { return tokens == 0 ? 0 : times.total_s() / static_cast<double>(tokens); }
};

// Chances that the first, second, … child is the one that stays, of a parent that did: Sequoia's acceptance vector
// (Chen et al. 2024, arXiv 2402.12374).
std::vector<double> chances_by_rank(std::span<const PositionTally> ranks);

// The share of its 4-grams that occurred before in it.
double repeated_ngrams(std::span<const TokenId> text);

Tally tally_of(std::span<const StepRecord> records, const ModelInfo& model, const WeightBytes& weights);

// Step by step, for whom the records of a text are too many to keep.
class Tallying {
 public:
  enum class Extras { counted, left_out };  // repeated_ngrams and all overlaps, which take the most time
  // The weights outlive it.
  Tallying(const ModelInfo& model, const WeightBytes& weights, Extras extras = Extras::counted);
  void add(const StepRecord& step);
  Tally tally() const;  // of the steps so far

 private:
  using Experts = std::vector<int>;
  void add_overlaps(const StepRecord& step);

  int experts_, experts_per_token_;
  const WeightBytes& weights_;
  Extras extras_;
  Tally tally_;                     // sums
  std::vector<LayerTally> layers_;  // sums, of all layers
  double uniform_ = 0;              // the same in all of them
  std::vector<TokenId> text_;
  std::vector<std::vector<Experts>> chosen_;  // by layer and row, of the step
  std::vector<Experts> refused_at_;           // by layer: of the row after which the step before rejected a guess
};

// Tokens per pass that chains of `depth` guesses give when each is accepted with chance alpha (Leviathan et al. 2023).
double expected_tokens_per_pass(double alpha, int depth);

// A step pays when it emits more tokens than it costs in plain passes.
struct Comparison {
  double break_even_bytes = 0;    // tokens per pass at which the bytes read are those of plain decoding
  double break_even_seconds = 0;  // the same for measured time; 0 when plain was not measured
  double byte_ratio = 0;          // plain bytes per token / speculative bytes per token: above 1 fewer are read
  double speed_up = 0;            // plain seconds per token / speculative seconds per token: above 1 is faster
};
Comparison compare(const Tally& speculative, const Tally& plain);

}  // namespace specdec

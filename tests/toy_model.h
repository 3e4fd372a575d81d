// A model without weights for tests of drafters, rules and sessions: logits, hidden states and routing are hashes of
// the text so far, so everything depends on every token before it and a State that forgets or mixes up rows shows at
// once.
//   ToyModel target({.vocab = 5});
//   ToyModel draft({.vocab = 5, .noise = 0.5});   // the target's logits, disturbed
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/model.h"
#include "core/rng.h"

namespace specdec {

constexpr std::uint64_t hash_after(std::uint64_t text, TokenId token) {
  return Rng(text).bits(static_cast<std::uint64_t>(index(token)));
}

// Any tokens kept as they are. Entry: what a row adds to the state.
template <typename Entry>
class ToyState : public State {
 public:
  explicit ToyState(int capacity) : capacity_(capacity) {}
  int length() const override { return static_cast<int>(committed_.size()); }
  int pending() const override { return static_cast<int>(rows_.size()); }
  int capacity() const override { return capacity_; }
  std::int64_t memory_bytes() const override { return 0; }
  void commit(std::span<const int> path) override {
    int parent = -1;
    for (const int row : path) {
      SPECDEC_ASSERT(row >= 0 && row < pending() && rows_[static_cast<std::size_t>(row)].second == parent);
      committed_.push_back(rows_[static_cast<std::size_t>(row)].first);
      parent = row;
    }
    rows_.clear();
  }

  int append(const Entry& entry, int parent) {
    SPECDEC_ASSERT(parent >= -1 && parent < pending() && length() + pending() < capacity_);
    rows_.emplace_back(entry, parent);
    return pending() - 1;
  }
  std::vector<Entry> path_to(int row) const {
    std::vector<Entry> back;
    for (int at = row; at >= 0; at = rows_[static_cast<std::size_t>(at)].second) {
      back.push_back(rows_[static_cast<std::size_t>(at)].first);
    }
    std::vector<Entry> path = committed_;
    path.insert(path.end(), back.rbegin(), back.rend());
    return path;
  }
  const std::vector<Entry>& committed() const { return committed_; }

  std::vector<float> logits, hidden;  // of the last pass
  std::vector<MatView> tapped;
  void tap(std::size_t times) {
    tapped.clear();
    for (std::size_t i = 0; i < times; ++i)
      tapped.emplace_back(hidden.data(), static_cast<Eigen::Index>(hidden.size()) / 5, 5);
  }
  std::vector<RouterUse> routed;

 private:
  int capacity_;
  std::vector<Entry> committed_;
  std::vector<std::pair<Entry, int>> rows_;
};

struct ToyOptions {
  int vocab = 5;
  std::uint64_t seed = 1;
  double noise = 0;  // disturbance of the logits
  double scale = 1.5;
  int context = 4096;
  int experts = 0;
  std::vector<TokenId> eos{};
  std::optional<double> mtp_noise{};   // of a head; a model with it has an MTP head
  std::vector<TokenId> head_tokens{};  // of the head
};

// 4 pieces of 16 bits of the hash of the text, and how often the state was carried on by the MTP head.
using ToyHidden = std::array<float, 5>;
inline ToyHidden hidden_of(std::uint64_t text, int carried) {
  ToyHidden hidden{};
  for (std::size_t i = 0; i < 4; ++i) hidden[i] = static_cast<float>((text >> (16 * i)) & 0xffff);
  hidden[4] = static_cast<float>(carried);
  return hidden;
}
inline std::uint64_t text_of(const ToyHidden& hidden) {
  std::uint64_t text = 0;
  for (std::size_t i = 0; i < 4; ++i) text |= static_cast<std::uint64_t>(hidden[i]) << (16 * i);
  return text;
}

inline float toy_logit(std::uint64_t text, TokenId token, const ToyOptions& options, double noise) {
  const Rng rng = Rng(text).fork(static_cast<std::uint64_t>(index(token))).fork(options.seed);
  return static_cast<float>(2 * options.scale * (rng.uniform(0) - 0.5) * 2 + 4 * noise * (rng.uniform(1) - 0.5));
}

constexpr int kToyLayers = 2, kToyExpertsPerToken = 2;

struct ToyPair {
  TokenId token;
  ToyHidden hidden;
};

// Knows the target's logits from the hidden state that it is given, disturbed the more the more rows of its cache were
// made from carried states instead of the target's own.
class ToyHead : public DraftHead {
 public:
  explicit ToyHead(const ToyOptions& options, std::vector<int> taps = {-1})
      : options_(options), taps_(std::move(taps)) {
    bytes_ = {.fixed = 30, .head = 10, .embedding_row = 1, .expert = {4}, .total = 100};
  }
  std::unique_ptr<State> new_state(int capacity) const override {
    return std::make_unique<ToyState<ToyPair>>(capacity);
  }
  std::span<const int> taps() const override { return taps_; }
  int hidden() const override { return 5; }
  Output forward(const Batch& batch, const MatView& hidden, HeadStates whose, State& state,
                 LogitRows logits) const override {
    SPECDEC_ASSERT(hidden.cols() == (whose == HeadStates::carried ? 5 : 5 * static_cast<Eigen::Index>(taps_.size())));
    auto& toy = static_cast<ToyState<ToyPair>&>(state);
    toy.logits.clear();
    toy.hidden.clear();
    toy.routed.clear();
    for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
      ToyHidden given;
      for (std::size_t j = 0; j < given.size(); ++j)
        given[j] = hidden(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
      const auto path = toy.path_to(toy.append({batch.tokens[i], given}, batch.parents[i]));
      double noise = *options_.mtp_noise;
      for (std::size_t j = 0; j + 1 < path.size(); ++j) noise += 0.5 * static_cast<double>(path[j].hidden[4] > 0);
      const std::uint64_t text = hash_after(text_of(given), batch.tokens[i]);
      const bool read = logits == LogitRows::all || (logits == LogitRows::last && i + 1 == batch.tokens.size());
      for (std::size_t column = 0; read && column < columns(); ++column) {
        toy.logits.push_back(toy_logit(text, token(column), options_, noise));
      }
      const ToyHidden carried = hidden_of(text, static_cast<int>(given[4]) + 1);
      toy.hidden.insert(toy.hidden.end(), carried.begin(), carried.end());
    }
    const auto width = static_cast<Eigen::Index>(columns());
    toy.tap(1);
    return {{toy.logits.data(), static_cast<Eigen::Index>(toy.logits.size()) / width, width}, toy.tapped, toy.routed};
  }
  std::span<const TokenId> head_tokens() const override { return options_.head_tokens; }
  const WeightBytes& bytes() const override { return bytes_; }

 private:
  std::size_t columns() const {
    return options_.head_tokens.empty() ? static_cast<std::size_t>(options_.vocab) : options_.head_tokens.size();
  }
  TokenId token(std::size_t column) const {
    return options_.head_tokens.empty() ? TokenId{static_cast<std::int32_t>(column)} : options_.head_tokens[column];
  }
  ToyOptions options_;
  std::vector<int> taps_;
  WeightBytes bytes_;
};

// A part of its work gives its logits, disturbed.
class ToyModel : public Model {
 public:
  explicit ToyModel(const ToyOptions& options) : options_(options) {
    info_.architecture = "toy";
    info_.path = "toy";
    info_.vocab = options.vocab;
    info_.hidden = 5;
    info_.layers = kToyLayers;
    info_.context = options.context;
    info_.experts = options.experts;
    info_.experts_per_token = options.experts > 0 ? kToyExpertsPerToken : 0;
    info_.eos = options.eos;
    bytes_ = {.fixed = 100, .head = 20, .embedding_row = 1, .expert = {0, 0}, .total = 1000};
    if (options.experts > 0) bytes_.expert[1] = 7;  // the first layer is dense
    if (options.mtp_noise) mtp_ = std::make_unique<ToyHead>(options);
  }
  const ModelInfo& info() const override { return info_; }
  const WeightBytes& bytes() const override { return bytes_; }
  const DraftHead* mtp() const override { return mtp_.get(); }
  std::unique_ptr<State> new_state(int capacity) const override {
    return std::make_unique<ToyState<TokenId>>(capacity);
  }
  std::unique_ptr<Model> with(const Shortcut& shortcut) const override {
    ToyOptions options = options_;
    options.noise += 0.8;
    options.mtp_noise.reset();
    auto shorter = std::make_unique<ToyModel>(options);
    shorter->info_.experts_per_token = shortcut.experts_per_token.value_or(info_.experts_per_token);
    return shorter;
  }

  Output forward(const Batch& batch, State& state, const Taps& taps) const override {
    auto& toy = static_cast<ToyState<TokenId>&>(state);
    toy.logits.clear();
    toy.hidden.clear();
    toy.routed.clear();
    for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
      std::uint64_t text = 0;
      for (const TokenId token : toy.path_to(toy.append(batch.tokens[i], batch.parents[i])))
        text = hash_after(text, token);
      for (int token = 0; taps.logits && token < options_.vocab; ++token) {
        toy.logits.push_back(toy_logit(text, TokenId{token}, options_, options_.noise));
      }
      const ToyHidden hidden = hidden_of(text, 0);
      toy.hidden.insert(toy.hidden.end(), hidden.begin(), hidden.end());
      if (options_.experts > 0) {
        const int first = static_cast<int>(text % static_cast<std::uint64_t>(options_.experts - 1));
        for (int k = 0; k < info_.experts_per_token; ++k) toy.routed.push_back({static_cast<int>(i), 1, first + k});
      }
    }
    const auto rows = static_cast<Eigen::Index>(batch.tokens.size());
    Output out;
    if (taps.logits) new (&out.logits) MatView(toy.logits.data(), rows, options_.vocab);
    toy.tap(taps.layers.size());
    out.hidden = toy.tapped;
    out.routed = toy.routed;
    return out;
  }

 private:
  ToyOptions options_;
  ModelInfo info_;
  WeightBytes bytes_;
  std::unique_ptr<ToyHead> mtp_;
};

inline std::vector<TokenId> ids(std::initializer_list<int> tokens) {
  std::vector<TokenId> all;
  for (const int token : tokens) all.push_back(TokenId{token});
  return all;
}

}  // namespace specdec

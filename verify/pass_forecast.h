// What further rows of a pass will cost, from what tokens used when they were last seen: which experts a guess adds to
// those that the pass wakes anyway, and which of them are not in memory.
//   PassForecast forecast(*target, routing, drafter.step_bytes());
//   forecast.begin();                        // a tree
//   forecast.added(tree, TokenId{7}).read;   // while it grows
//   forecast.expect(tree);                   // before the pass
//   forecast.learn(out.routed, loaded_bytes);
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/experts.h"
#include "core/model.h"
#include "core/routing_table.h"
#include "core/traffic.h"
#include "draft/policy.h"

namespace specdec {

class PassForecast : public RowCost {
 public:
  // The model and the table outlive it. guess_bytes: that a pass of the drafter reads for one row.
  PassForecast(const Model& target, const RoutingTable& routing, std::int64_t guess_bytes);

  void begin();
  ReadCost guess() const override { return {.read = guess_}; }
  ReadCost added(const DraftTree& tree, const std::optional<TokenId>& token) override;
  void expect(const DraftTree& tree);
  void learn(RouterTrace routed, std::int64_t loaded_bytes);

  // Of a step that is done.
  ReadCost cost_of(int rows, RouterTrace routed, std::int64_t draft_bytes, std::int64_t loaded_bytes) const;

 private:
  // Experts of one layer that the tree so far is expected to wake: these, and some that are not known.
  struct Layer {
    int layer;
    double bytes;  // of an expert, of a plain pass
    std::vector<bool> woken;
    int known = 0;  // of them
    double unknown = 0;
  };
  ReadCost of_row(const std::optional<TokenId>& token) const;
  void add(TokenId token);
  double woken_anew(const Layer& layer) const;
  double share_in_storage(int layer) const;

  const Model& target_;
  const RoutingTable& routing_;
  double plain_bytes_, guess_, row_;
  std::vector<Layer> layers_;
  int counted_ = 0;  // nodes of the tree
  // What was forecast and what came, in all: forecasts are scaled by the ratio.
  struct Kept {
    double now = 0;  // forecast for the tree so far, not scaled
    double forecast = 0, came = 0;
    double scale() const { return came / forecast; }
    void learn(double of_pass) {
      forecast += now;
      came += of_pass;
    }
  };
  Kept experts_;  // that guesses add
  Kept loads_;    // of the whole pass and of the drafter, in plain passes
};

}  // namespace specdec

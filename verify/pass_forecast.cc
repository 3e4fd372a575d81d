#include "verify/pass_forecast.h"

#include <algorithm>

namespace specdec {
namespace {

// Of the experts that a second row adds by even routing, those that it added: 0.70 to 0.79 in three published
// measurements (reference/evidence.md, section 3).
constexpr double kComes = 0.75;
constexpr double kLoads = 0.5;  // plain passes of loads after which what came counts as much as what was forecast

}  // namespace

PassForecast::PassForecast(const Model& target, const RoutingTable& routing, std::int64_t guess_bytes)
    : target_(target), routing_(routing) {
  const WeightBytes& bytes = target.bytes();
  plain_bytes_ = static_cast<double>(bytes_of_plain_pass(bytes, target.info().experts_per_token));
  guess_ = static_cast<double>(guess_bytes) / plain_bytes_;
  row_ = static_cast<double>(bytes.embedding_row) / plain_bytes_;
  for (std::size_t layer = 0; layer < bytes.expert.size(); ++layer) {
    if (bytes.expert[layer] == 0) continue;
    layers_.push_back({static_cast<int>(layer), static_cast<double>(bytes.expert[layer]) / plain_bytes_,
                       std::vector<bool>(static_cast<std::size_t>(target.info().experts))});
  }
  experts_.forecast = std::max(1.0, static_cast<double>(layers_.size()) * target.info().experts_per_token);  // of a row
  experts_.came = kComes * experts_.forecast;
  loads_.forecast = loads_.came = kLoads;
}

void PassForecast::begin() {
  for (Layer& layer : layers_) {
    layer.woken.assign(layer.woken.size(), false);
    layer.known = 0;
    layer.unknown = 0;
  }
  counted_ = 0;
  experts_.now = loads_.now = 0;
}

// One more row of even and independent routing: U(t + 1) - U(t) = k (1 - U(t) / E).
double PassForecast::woken_anew(const Layer& layer) const {
  const ModelInfo& info = target_.info();
  const double so_far = std::min<double>(layer.known + layer.unknown, info.experts);
  return info.experts_per_token * (1 - so_far / info.experts);
}

double PassForecast::share_in_storage(int layer) const {
  const ExpertStore* store = target_.experts();
  if (store == nullptr || store->all_packed()) return 0;
  int away = 0;
  for (int expert = 0; expert < target_.info().experts; ++expert) away += !store->holds(layer, expert);
  return static_cast<double>(away) / target_.info().experts;
}

ReadCost PassForecast::of_row(const std::optional<TokenId>& token) const {
  const ExpertStore* store = target_.experts();
  const auto seen = token ? routing_.of(*token) : std::span<const RoutedLayer>();
  ReadCost cost;
  if (seen.empty()) {
    for (const Layer& layer : layers_) {
      const double read = woken_anew(layer) * layer.bytes;
      cost.read += read;
      cost.loaded += read * share_in_storage(layer.layer);
    }
  }
  for (const RoutedLayer& used : seen) {
    const auto layer = std::ranges::find(layers_, used.layer, &Layer::layer);
    if (layer == layers_.end()) continue;
    for (const int expert : used.experts) {
      if (layer->woken[static_cast<std::size_t>(expert)]) continue;
      cost.read += layer->bytes;
      if (store != nullptr && !store->holds(used.layer, expert)) cost.loaded += layer->bytes;
    }
  }
  return cost;
}

void PassForecast::add(TokenId token) {
  loads_.now += of_row(token).loaded;
  const auto seen = routing_.of(token);
  for (Layer& layer : layers_) {
    const auto used = std::ranges::find(seen, layer.layer, &RoutedLayer::layer);
    if (used == seen.end()) {
      const double more = woken_anew(layer);
      layer.unknown += more;
      experts_.now += more;
      continue;
    }
    for (const int expert : used->experts) {
      auto woken = layer.woken[static_cast<std::size_t>(expert)];
      if (woken) continue;
      woken = true;
      ++layer.known;
      ++experts_.now;
    }
  }
}

void PassForecast::expect(const DraftTree& tree) {
  for (; counted_ < tree.size(); ++counted_) {
    add(tree[counted_].token);
    if (counted_ == 0) experts_.now = 0;  // the anchor is no guess
  }
}

ReadCost PassForecast::added(const DraftTree& tree, const std::optional<TokenId>& token) {
  expect(tree);
  const ReadCost row = of_row(token);
  return {row_ + row.read * experts_.scale(), row.loaded * loads_.scale()};
}

void PassForecast::learn(RouterTrace routed, std::int64_t loaded_bytes) {
  const double anchor = static_cast<double>(layers_.size()) * target_.info().experts_per_token;
  experts_.learn(std::max(0.0, static_cast<double>(woken_experts(routed).size()) - anchor));
  loads_.learn(static_cast<double>(loaded_bytes) / plain_bytes_);
}

ReadCost PassForecast::cost_of(int rows, RouterTrace routed, std::int64_t draft_bytes,
                               std::int64_t loaded_bytes) const {
  const std::int64_t read = bytes_of_pass(target_.bytes(), rows, woken_experts(routed)) + draft_bytes;
  return {static_cast<double>(read) / plain_bytes_, static_cast<double>(loaded_bytes) / plain_bytes_};
}

}  // namespace specdec

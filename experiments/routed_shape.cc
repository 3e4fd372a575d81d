#include "experiments/routed_shape.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace specdec {
namespace {

// Numbers of one stream, one after the other.
class Draws {
 public:
  explicit Draws(const Rng& rng) : rng_(rng) {}
  int below(std::size_t count) { return static_cast<int>(rng_.uniform(next_++) * static_cast<double>(count)); }
  double uniform() { return rng_.uniform(next_++); }

 private:
  Rng rng_;
  std::uint64_t next_ = 0;
};

// Moves `count` random ones of `some` to the front.
void pick(std::vector<int>& some, int count, Draws& dice) {
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    std::swap(some[at], some[at + static_cast<std::size_t>(dice.below(some.size() - at))]);
  }
}

std::vector<int> first_numbers(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

RoutedShape routed_shape_of(const Inventory& inventory, std::string name) {
  RoutedShape shape{
      .name = std::move(name), .experts = inventory.experts, .experts_per_token = inventory.experts_per_token};
  std::int64_t parameters = 0, down = 0;  // of all experts of the first routed layer
  std::vector<int> layers;
  for (const TensorSpec& tensor : inventory.tensors) {
    const Place place = place_of(tensor.name, inventory.layers);
    if (place.group != Group::routed || place.mtp || !tensor.is_matrix()) continue;
    if (std::ranges::find(layers, place.layer) == layers.end()) layers.push_back(place.layer);
    if (place.layer != layers.front()) continue;
    parameters += tensor.elements();
    if (tensor.name.find("down_proj") == std::string::npos && tensor.name.find(".w2.") == std::string::npos) continue;
    down = tensor.elements();
    shape.hidden = static_cast<int>(tensor.shape[tensor.shape.size() - 2]);
    shape.width = static_cast<int>(tensor.shape.back());
  }
  if (down == 0) throw Error("{}: has no routed experts; expected a mixture of experts", inventory.origin);
  shape.layers = static_cast<int>(layers.size());
  shape.gated = parameters == 3 * down;
  if (!shape.gated && parameters != 2 * down) {
    throw Error("{}: its experts are neither of two nor of three matrices of one size", inventory.origin);
  }
  return shape;
}

std::string_view name_of(Routing routing) {
  constexpr std::array<std::string_view, kRoutings.size()> kNames{"same", "disjoint", "uniform", "natural"};
  return kNames[static_cast<std::size_t>(routing)];
}

std::string_view meaning_of(Routing routing) {
  constexpr std::array<std::string_view, kRoutings.size()> kMeanings{
      "all rows choose the same experts", "no two rows choose the same expert", "each row chooses at random",
      "rows share experts as neighbouring tokens of a text do"};
  return kMeanings[static_cast<std::size_t>(routing)];
}

RouteDrawer::RouteDrawer(const RoutedShape& shape, int stored, std::vector<double> natural_unions)
    : shape_(shape), stored_(stored), natural_unions_(std::move(natural_unions)) {
  SPECDEC_ASSERT(stored <= shape.experts);
}

bool RouteDrawer::can(Routing routing, int rows) const {
  const int slots = rows * shape_.experts_per_token;
  if (std::min(slots, shape_.experts) > stored_ && routing != Routing::same) return false;
  if (routing == Routing::disjoint) return slots <= shape_.experts;
  return routing != Routing::natural || rows <= std::ssize(natural_unions_);
}

DrawnRoutes RouteDrawer::draw(Routing routing, int rows, const Rng& rng) const {
  SPECDEC_ASSERT(can(routing, rows));
  Draws dice(rng);
  const int per_token = shape_.experts_per_token;
  std::vector<int> all = first_numbers(shape_.experts);
  std::vector<int> woken, asleep, row_choice;
  DrawnRoutes routes;
  for (int row = 0; row < rows; ++row) {
    row_choice.clear();
    if (routing == Routing::same) {
      if (row == 0) pick(all, per_token, dice);
      row_choice.assign(all.begin(), all.begin() + per_token);
    } else if (routing == Routing::uniform) {
      pick(all, per_token, dice);
      row_choice.assign(all.begin(), all.begin() + per_token);
    } else {
      asleep.clear();
      std::ranges::copy_if(all, std::back_inserter(asleep),
                           [&](int expert) { return std::ranges::find(woken, expert) == woken.end(); });
      int fresh = per_token;
      if (routing == Routing::natural && row > 0) {
        const double more =
            natural_unions_[static_cast<std::size_t>(row)] - natural_unions_[static_cast<std::size_t>(row - 1)];
        fresh = std::clamp(static_cast<int>(std::floor(more + dice.uniform())), 0, per_token);
        fresh = std::min(fresh, static_cast<int>(asleep.size()));
      }
      pick(asleep, fresh, dice);
      pick(woken, per_token - fresh, dice);
      row_choice.assign(asleep.begin(), asleep.begin() + fresh);
      row_choice.insert(row_choice.end(), woken.begin(), woken.begin() + (per_token - fresh));
    }
    for (const int expert : row_choice) {
      if (std::ranges::find(woken, expert) == woken.end()) woken.push_back(expert);
    }
    routes.chosen.insert(routes.chosen.end(), row_choice.begin(), row_choice.end());
  }
  routes.woken = static_cast<int>(woken.size());

  std::vector<int> places = first_numbers(stored_);
  pick(places, routes.woken, dice);
  std::vector<int> place_of_expert(static_cast<std::size_t>(shape_.experts), 0);
  for (std::size_t i = 0; i < woken.size(); ++i) place_of_expert[static_cast<std::size_t>(woken[i])] = places[i];
  for (int& expert : routes.chosen) expert = place_of_expert[static_cast<std::size_t>(expert)];
  for (int row = 0; row < rows; ++row) {
    const auto begin = routes.chosen.begin() + static_cast<std::ptrdiff_t>(row) * per_token;
    std::sort(begin, begin + per_token);
  }
  return routes;
}

}  // namespace specdec

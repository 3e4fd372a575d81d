// The experts of a model's routed layers, from its config.json alone, and which of them rows may choose.
//   const RoutedShape shape = routed_shape_of(inventory, "glm-5.2");
//   const std::vector<int> chosen = RouteDrawer(shape, 128, unions).draw(Routing::disjoint, 4, rng).chosen;
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/inventory.h"
#include "core/rng.h"

namespace specdec {

struct RoutedShape {
  std::string name;
  int hidden = 0, width = 0;  // of an expert: its inputs and outputs, and what lies between
  int experts = 0, experts_per_token = 0;
  int layers = 0;     // that have experts
  bool gated = true;  // three matrices, gate, up and down; else two
};
// Throws Error if the model has no routed experts.
RoutedShape routed_shape_of(const Inventory& inventory, std::string name);

enum class Routing { same, disjoint, uniform, natural };
inline constexpr std::array kRoutings{Routing::same, Routing::disjoint, Routing::uniform, Routing::natural};
std::string_view name_of(Routing routing);
std::string_view meaning_of(Routing routing);

struct DrawnRoutes {
  std::vector<int> chosen;  // (rows, experts_per_token), ascending in each row
  int woken = 0;            // distinct experts
};

// Routes over the experts that are stored, at least those that the widest pass can wake. What is drawn is a row's
// choice among all experts of the shape; the distinct ones are then stored experts in random places.
class RouteDrawer {
 public:
  // natural_unions: [w - 1], experts that w rows wake, for Routing::natural.
  RouteDrawer(const RoutedShape& shape, int stored, std::vector<double> natural_unions);

  // Whether so many rows can route that way: disjoint ones need as many experts, natural ones a curve that long.
  bool can(Routing routing, int rows) const;
  DrawnRoutes draw(Routing routing, int rows, const Rng& rng) const;

 private:
  RoutedShape shape_;
  int stored_;
  std::vector<double> natural_unions_;
};

}  // namespace specdec

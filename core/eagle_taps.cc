#include "core/eagle.h"
#include "core/error.h"

namespace specdec {

EagleTaps read_eagle_taps(const ConfigReader& config, int target_layers) {
  constexpr std::string_view kIds = "eagle_aux_hidden_state_layer_ids";
  EagleTaps taps;
  const std::optional<ConfigReader> nested = config.object_if("eagle_config");
  if (nested && nested->has(kIds)) {
    taps.outputs = nested->integers(kIds);
    taps.source = fmt::format("eagle_config.{}", kIds);
  } else if (config.has(kIds)) {
    for (const int state : config.integers(kIds)) taps.outputs.push_back(state - 1);
    taps.source = fmt::format("{}, counted before layers", kIds);
  } else {
    taps.outputs = {1, target_layers / 2 - 1, target_layers - 4};
    taps.source = "not said: those that EAGLE-3 takes of a model of this depth";
  }
  return taps;
}

}  // namespace specdec

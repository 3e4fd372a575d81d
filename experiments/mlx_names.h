// Conversions by mlx-lm store some tensors under other names, apart or together: what sanitize() in
// mlx_lm/models/<architecture>.py makes of them.
#pragma once

#include "core/inventory.h"
#include "core/weights.h"

namespace specdec {

// Where `file` has a tensor of the inventory as MLX stores it, the inventory has it so, too.
void respell_as_mlx(Inventory& inventory, const WeightFile& file);

}  // namespace specdec

// Some tensors are stored under other names than the published, apart or together: by transformers, which saves its own
// spelling, and by mlx-lm (sanitize() in mlx_lm/models/<architecture>.py).
#pragma once

#include "core/inventory.h"
#include "core/weights.h"

namespace specdec {

// Where `file` has a tensor of the inventory in such a spelling, the inventory has it so, too.
void respell_as_stored(Inventory& inventory, const WeightFile& file);

}  // namespace specdec

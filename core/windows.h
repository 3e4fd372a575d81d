// Sliding windows: which layers of a model see only so many of the last positions, by its config.json. For loading and
// for counting alike.
#pragma once

#include <vector>

#include "core/config.h"
#include "core/kernels/attention.h"

namespace specdec {

struct LayerWindows {
  int size = 0;              // positions that such a layer sees, its own among them; 0: no layer has a window
  std::vector<bool> layers;  // whether it has one
};

// config: of the text model, whose model_type says by which rule. Throws Error if layer_types does not fit.
LayerWindows read_windows(const ConfigReader& config, int layers);

// Pending rows that a cache has room for from the start, as many as guesses make.
inline constexpr int kUsualRows = kKvChunk;

// Chunks of kKvChunk slots that a cache of so many positions keeps of what a window (0: all) shows to pending rows and
// to those after them, wherever in its chunk the first of them lies.
int chunks_of_window(int window, int pending, int capacity);

}  // namespace specdec
